// The stream of events. EventSource cannot send a token, so it is read here.

import { Problem, request } from './api.js';
import { tell } from './store.js';

const WAIT_MIN_MS = 500;
const WAIT_MAX_MS = 5000;
// A connection that is dead but never closed, as after a laptop slept, delivers nothing any more.
const SILENCE_MAX_MS = 60_000;

let connection = null;

/** Follows the events until `stop`, across broken connections. */
export async function follow() {
  stop();
  let wait = WAIT_MIN_MS;
  let mine;
  tell('connection', 'connecting');
  do {
    mine = connection = new AbortController();
    try {
      await listen(mine, () => { wait = WAIT_MIN_MS; });
    } catch (problem) {
      if (problem.status === 401) return;
      wait = Math.max(wait, 1000 * (problem.retryAfter ?? 0));
    }
    if (connection !== mine) return;
    tell('connection', 'lost');
    await new Promise((resolve) => { setTimeout(resolve, wait); });
    wait = Math.min(2 * wait, WAIT_MAX_MS);
  } while (connection === mine);
}

/** Ends it. */
export function stop() {
  connection?.abort();
  connection = null;
}

async function listen(mine, heard) {
  let silence;
  const awake = () => {
    clearTimeout(silence);
    silence = setTimeout(() => mine.abort(), SILENCE_MAX_MS);
  };
  try {
    awake();
    const response = await request('/events', { signal: mine.signal });
    tell('connection', 'live');
    // Everything from before is read, including what has no event, so no event needs to be repeated. Reading begins when the stream is
    // open, so nothing is missed in between.
    tell('reread');
    for await (const message of messages(response.body, awake)) {
      if (connection !== mine) return;
      heard();
      tell(message.event === 'reset' ? 'reread' : message.event, JSON.parse(message.data));
    }
  } catch (error) {
    throw error instanceof Problem ? error : new Problem({ title: 'The events broke off' });
  } finally {
    clearTimeout(silence);
    // The rest of the stream is not needed, whatever ended it.
    mine.abort();
  }
}

/** The messages of a `text/event-stream`. */
async function* messages(body, awake) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let message = { event: 'message', data: [] };
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    awake();
    // A CR at the end may be the first half of a CR LF.
    const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line !== '') {
        addField(message, line);
        continue;
      }
      if (message.data.length > 0) yield { ...message, data: message.data.join('\n') };
      message = { event: 'message', data: [] };
    }
  }
}

function addField(message, line) {
  const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
  if (field === 'data') message.data.push(value);
  else if (field === 'event') message.event = value;
}
