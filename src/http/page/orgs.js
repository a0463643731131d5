// The list of orgs: by state, by the prefix of the name, page by page.

import { byId, el, fillTable, isUsable, orgLink, setSwatch, setText, setUsable, swatch } from './dom.js';
import { at, count, words } from './format.js';
import { keep } from './live.js';
import { STATES } from './states.js';
import { known, on } from './store.js';

const PAGE = 25;
const EVERY_SECONDS = 10;
const REREAD_AFTER_MS = 2000;
const TYPING_MS = 250;

const state = byId('orgs-state');
const prefix = byId('orgs-prefix');
const back = byId('orgs-back');
const onward = byId('orgs-on');

// The cursor of each page up to this one: no cursor leads back.
let cursors = [null];
let next = null;
let typing;
let rereadTimer = null;

const COLUMNS = [
  ['Org', ({ org }) => orgLink(org)],
  ['State', (move) => el('span', {}, swatch(move.state), el('span')), showState],
  ['Tries', ({ attempts }) => count(attempts)],
  ['Rows', ({ rows }) => (rows == null ? '' : count(rows))],
  ['Changed (UTC)', ({ updated_at: updated }) => at(updated)],
];

function showState(node, move) {
  setSwatch(node.firstChild, move.state);
  setText(node.lastChild, move.step ? `${words(move.state)}, ${words(move.step)}` : words(move.state));
}

function path() {
  if (!known.migration) return null;
  const query = new URLSearchParams({ limit: PAGE });
  if (state.value) query.set('state', state.value);
  if (prefix.value) query.set('prefix', prefix.value);
  if (cursors.at(-1) !== null) query.set('after', cursors.at(-1));
  return `/migrations/${encodeURIComponent(known.migration)}/orgs?${query}`;
}

function show(page) {
  next = page.next;
  fillTable(byId('orgs-table'), COLUMNS, page.items, ({ id }) => id);
  byId('orgs-none').hidden = page.items.length > 0;
  setUsable(back, cursors.length > 1);
  setUsable(onward, next !== null);
  setText(byId('orgs-page'), `Page ${count(cursors.length)}`);
}

/** Goes to a page. Until it is there, a click would continue from the previous one. */
function turnTo(pages) {
  cursors = pages;
  setUsable(back, false);
  setUsable(onward, false);
  read();
}

function fromTheStart() {
  turnTo([null]);
}

state.append(el('option', { value: '' }, 'any'), ...STATES.map(([, name]) => el('option', { value: name }, words(name))));

byId('orgs-filter').addEventListener('submit', (event) => event.preventDefault());
state.addEventListener('change', fromTheStart);
prefix.addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(fromTheStart, TYPING_MS);
});

onward.addEventListener('click', () => {
  if (isUsable(onward)) turnTo([...cursors, next]);
});

back.addEventListener('click', () => {
  if (isUsable(back)) turnTo(cursors.slice(0, -1));
});

on('migration', fromTheStart);
on('moves', ({ migration }) => {
  if (migration !== known.migration) return;
  rereadTimer ??= setTimeout(() => {
    rereadTimer = null;
    read();
  }, REREAD_AFTER_MS);
});
on('list', (name) => {
  state.value = name;
  fromTheStart();
  byId('orgs').scrollIntoView();
  state.focus({ preventScroll: true });
});

const read = keep({ path, show, unread: 'orgs-unread', seconds: EVERY_SECONDS });
