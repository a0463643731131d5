// The signed-in user, and whether Mover is reachable.

import { get, token } from './api.js';
import { byId, setText } from './dom.js';
import { follow, stop } from './events.js';
import { at } from './format.js';
import { keep } from './live.js';
import { known, on, tell } from './store.js';

const dialog = byId('sign-in');
const form = dialog.querySelector('form');
const field = byId('token');

const CONNECTION = { out: 'not signed in', connecting: 'connecting…', live: 'live', lost: 'lost connection, trying again' };

/** Begins with the stored token, or asks for one. */
export function begin() {
  takeFromFragment();
  if (token.get()) follow();
  else ask();
}

function takeFromFragment() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!given) return false;
  token.set(given.trim());
  // A token must not stay where it could be copied, bookmarked or kept in the browser's history.
  history.replaceState(null, '', location.pathname + location.search);
  return true;
}

function ask(message) {
  tell('connection', 'out');
  showProblem(message);
  if (!dialog.open) dialog.showModal();
}

function showProblem(message) {
  const place = byId('sign-in-problem');
  place.hidden = !message;
  setText(place, message ?? '');
}

async function signIn() {
  const given = field.value.trim();
  // A character that is not allowed in a header would look as if Mover were unreachable.
  if (!/^[\x21-\x7e]+$/.test(given)) return showProblem('A token has only letters, digits and signs, and no spaces.');
  try {
    await get('/me', { bearer: given });
  } catch (problem) {
    const unknown = 'Mover does not know this token, or it has expired.';
    return showProblem(problem.status === 401 ? unknown : `${problem.title}. ${problem.detail}`);
  }
  token.set(given);
  field.value = '';
  dialog.close();
  return follow();
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  signIn();
});

// Nothing can be shown without a token, so closing the dialog opens it again.
dialog.addEventListener('close', () => {
  if (!token.get()) ask();
});

byId('sign-out').addEventListener('click', () => {
  token.forget();
  // A fresh page has nothing left of what was shown.
  location.reload();
});

addEventListener('hashchange', () => {
  if (takeFromFragment()) location.reload();
});

on('unauthorized', () => {
  stop();
  token.forget();
  ask('This token is not valid: it is unknown, has expired, or was revoked.');
});

function showMe(me) {
  known.me = me;
  document.body.dataset.role = me.role;
  setText(byId('me'), `${me.name} (${me.role})`);
  byId('me').title = me.expires_at ? `until ${at(me.expires_at)} UTC` : 'without an end';
  byId('sign-out').hidden = false;
  tell('me', me);
}

keep({ path: () => '/me', show: showMe, unread: 'me-unread' });

on('connection', (state) => {
  const place = byId('connection');
  place.dataset.state = state;
  setText(place, CONNECTION[state]);
});
