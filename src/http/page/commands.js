// Giving commands: the confirmation that some need, their results, and following those that continue.

import { get, post } from './api.js';
import { byId, el, isUsable, setText } from './dom.js';
import { known, on } from './store.js';

// The elements for the answers of commands that continue, by their ids.
const followed = new Map();

const dialog = byId('confirm');
const word = byId('confirm-word');

/** Gives a command, and shows the result in `told`; `button` is disabled meanwhile. */
export async function give(command, told, button) {
  await once(button, told, async () => {
    const entry = await postConfirmed(command);
    if (entry) showEntry(entry, told);
    else showText(told, 'Cancelled: nothing was done.');
  });
}

/** Performs the action of a button, not twice at a time, and shows in `told` why it was refused. */
export async function once(button, told, act) {
  if (button.ariaBusy === 'true' || !isUsable(button)) return;
  button.ariaBusy = 'true';
  showText(told, 'Asking Mover…');
  try {
    await act();
  } catch (problem) {
    showProblem(told, problem);
  } finally {
    button.ariaBusy = null;
  }
}

/** A name as the command language reads it: in quotes it is never a keyword. */
export function quoted(name) {
  const escaped = name.replace(/["\\]/g, '\\$&').replace(/\p{Cc}/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
  return `"${escaped}"`;
}

async function postConfirmed(command) {
  try {
    return await post('/commands', { command });
  } catch (problem) {
    if (problem.name !== 'confirmation-needed') throw problem;
    const confirm = await askWord(problem.more);
    return confirm && post('/commands', { command, confirm });
  }
}

/** Asks for the word; null if the user does not type it. */
function askWord({ what, word: expected }) {
  setText(byId('confirm-what'), what);
  setText(byId('confirm-expected'), expected);
  word.value = '';
  dialog.returnValue = '';
  const enable = () => { byId('confirm-go').disabled = word.value !== expected; };
  enable();
  word.oninput = enable;
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue || null), { once: true });
  });
}

/** Shows the result of a command; if it continues, also the later result. */
export function showEntry(entry, told) {
  if (isFinal(entry) || isAbandoned(entry)) followed.delete(entry.id);
  else followed.set(entry.id, told);
  if (entry.outcome === 'refused') showProblem(told, { title: 'Refused', detail: entry.answer?.text || entry.told || '' });
  else showText(told, textOf(entry));
}

function isFinal({ outcome }) {
  return outcome === 'done' || outcome === 'refused';
}

/** Whether the Mover that carried it out has ended since. An approved command was begun later than it was given. */
function isAbandoned({ outcome, at, approved_at: approvedAt }) {
  return outcome === 'open' && Date.parse(approvedAt ?? at) < Date.parse(known.me?.serving_since);
}

function textOf(entry) {
  if (entry.outcome === 'waiting') return `Command ${entry.id} waits: another user must approve it.`;
  if (isAbandoned(entry)) {
    return `Mover was restarted while it carried out command ${entry.id}, and its outcome is unknown. Next: status`;
  }
  if (entry.outcome === 'open') return `Command ${entry.id} goes on…${entry.campaign ? ` It opened campaign ${entry.campaign}.` : ''}`;
  return entry.answer?.text || entry.told || 'Done.';
}

function showText(told, text) {
  told.replaceChildren(el('pre', {}, text));
}

function showProblem(told, { title, detail }) {
  told.replaceChildren(el('div', { class: 'problem' }, el('strong', {}, title), el('pre', {}, detail)));
}

dialog.querySelector('form').addEventListener('submit', (event) => {
  event.preventDefault();
  dialog.close(word.value);
});

byId('confirm-cancel').addEventListener('click', () => dialog.close());

on('command', (entry) => {
  const told = followed.get(entry.id);
  if (!told) return;
  if (!isFinal(entry)) showEntry(entry, told);
  // Events only have the first line of the answer.
  else get(`/commands/${entry.id}`).catch(() => entry).then((whole) => showEntry(whole, told));
});

// Missed ends of commands are read again. /me has the time since which Mover serves, which shows abandoned commands.
on('me', () => {
  for (const [id, told] of followed) {
    get(`/commands/${id}`).then((entry) => showEntry(entry, told), (problem) => {
      if (problem.status === 404) followed.delete(id);
      showProblem(told, problem);
    });
  }
});
