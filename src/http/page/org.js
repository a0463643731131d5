// One org: its moves with their history, its flags, and why it failed.

import { byId, el, fillFacts, fillTable, keyed, setSwatch, setText, swatch } from './dom.js';
import { wayOn } from './failures.js';
import { at, count, ms, plain, progressText, words } from './format.js';
import { keep } from './live.js';
import { on } from './store.js';

const dialog = byId('org');
const told = byId('org-told');
const REREAD_AFTER_MS = 500;

let shown = null;
let rereadTimer = null;

const HISTORY = [
  ['When (UTC)', (event) => at(event.at)],
  ['From', ({ from }) => stateText(from)],
  ['To', ({ to }) => stateText(to)],
  ['By', ({ actor, node }) => actor ?? node ?? ''],
  ['Epoch', ({ epoch }) => String(epoch ?? '')],
  ['Detail', ({ detail }) => (detail == null ? '' : plain(detail))],
];

function stateText(state) {
  return state == null ? '' : words(plain(state));
}

// Everything is changed in place: the user may be reading it, or about to press a button in it.
function show({ org, moves, flags }) {
  if (org !== shown) return;
  isRead(true);
  keyed(byId('org-moves'), moves, ({ id }) => id, makeMove, showMove);
  fillFacts(byId('org-flags'), Object.entries(flags ?? {}).map(([name, value]) => [name, plain(value)]));
}

function isRead(read) {
  byId('org-reading').hidden = read;
  byId('org-body').hidden = !read;
}

function makeMove({ state }) {
  return el('section', {},
    el('h3', {}, swatch(state), el('span')),
    el('div'),
    el('dl', { class: 'facts' }),
    el('h4', {}, 'History'),
    el('table', { class: 'cards' }));
}

function showMove(node, move) {
  const [heading, failures, facts, , history] = node.children;
  setSwatch(heading.firstChild, move.state);
  setText(heading.lastChild, `${move.migration}: ${words(move.state)}`);
  keyed(failures, move.failure ? [move] : [], ({ state, failure }) => JSON.stringify([state, failure]), failureOf);
  fillFacts(facts, [
    ['Key', move.key],
    ['Step', move.step ? words(move.step) : '–'],
    ['Now', move.doing ?? '–'],
    ['Copied', move.progress ? progressText(move.progress) : '–'],
    ['Tries', count(move.attempts)],
    ['Rows', move.rows == null ? '–' : `${count(move.rows)}, ${count(move.bytes ?? 0)} bytes`],
    ['Closed for writes', move.closed_at && move.opened_at ? ms(Date.parse(move.opened_at) - Date.parse(move.closed_at)) : '–'],
    ['Captured (UTC)', at(move.captured_at) || '–'],
    ['Finished (UTC)', at(move.finished_at) || '–'],
  ]);
  fillTable(history, HISTORY, move.history ?? [], (event) => JSON.stringify(event));
}

function failureOf({ migration, org, state, failure: { step, reason, place } }) {
  const where = [['store', place?.store], ['table', place?.table], ['row', place?.row], ['columns', place?.columns]]
    .filter(([, value]) => value != null && value.length > 0)
    .map(([what, value]) => `${what} ${plain(value)}`);
  const item = el('div', { class: 'failure' }, el('p', { class: 'wrap' }, `At ${words(step)}: ${reason}`));
  if (where.length > 0) item.append(el('p', { class: 'wrap' }, where.join(', ')));
  if (state === 'failed') item.append(...wayOn(migration, org, told));
  return item;
}

on('open-org', (org) => {
  shown = org;
  setText(byId('org-title'), org);
  told.replaceChildren();
  isRead(false);
  if (!dialog.open) dialog.showModal();
  read();
});

on('moves', ({ moves }) => {
  if (shown === null || rereadTimer || !moves.some(([, , , org]) => org === shown)) return;
  rereadTimer = setTimeout(() => {
    rereadTimer = null;
    read();
  }, REREAD_AFTER_MS);
});

dialog.addEventListener('close', () => { shown = null; });
byId('org-close').addEventListener('click', () => dialog.close());

const read = keep({
  path: () => shown && `/orgs/${encodeURIComponent(shown)}`,
  show,
  unread: 'org-unread',
});
