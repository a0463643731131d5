// Repeated reads: when everything must be reread, when something changed, or after some seconds.

import { get, token } from './api.js';
import { byId } from './dom.js';
import { on } from './store.js';

const AGAIN_SECONDS = 5;

/**
 * Reads `path()`, if it is one, and shows the answer; failures are told in the element `unread` and tried again.
 * Of several readings at once only the latest counts. Returns a function that reads now.
 */
export function keep({ path, show, unread, topics = [], seconds, begun = () => {} }) {
  const problemPlace = byId(unread);
  let latest = 0;
  let timer;

  async function read() {
    clearTimeout(timer);
    const mine = ++latest;
    const where = path();
    if (!where || !token.get()) return;
    begun();
    const [answer, problem] = await get(where).then((got) => [got], (refused) => [null, refused]);
    if (mine !== latest) return;
    // That Mover is unreachable is shown once, at the top of the page.
    problemPlace.hidden = !problem || problem.name === 'unreachable';
    if (problem) problemPlace.textContent = `Not up to date. ${problem.title}. ${problem.detail}`;
    else show(answer);
    const again = problem ? Math.max(AGAIN_SECONDS, problem.retryAfter) : seconds;
    if (again) timer = setTimeout(read, 1000 * again);
  }

  for (const topic of ['reread', ...topics]) on(topic, read);
  return read;
}
