// Orgs that are blocked now, and for how long already.

import { now } from './api.js';
import { byId, fillTable, orgLink } from './dom.js';
import { at, span } from './format.js';
import { keep } from './live.js';
import { eachFrame, on } from './store.js';

// The most entries of each kind.
const TOLD_MAX = 200;

let items = [];

const COLUMNS = [
  ['Org', ({ org }) => (org === null ? 'all orgs' : orgLink(org))],
  // The time of an operator's block is not recorded.
  ['For', ({ since }) => (since ? span((now() - Date.parse(since)) / 1000) : 'not known')],
  ['Since (UTC)', ({ since }) => at(since)],
  ['By', ({ by }) => by],
  ['What', ({ what }) => what ?? ''],
];

function show() {
  byId('closed-none').hidden = items.length > 0;
  byId('closed-table').hidden = items.length === 0;
  byId('closed-more').hidden = !['move', 'operator'].some((kind) => items.filter(({ by }) => by === kind).length >= TOLD_MAX);
  fillTable(byId('closed-table'), COLUMNS, items, keyOf);
}

/** An operator may have set several flags of an org. A move goes from step to step; its time identifies it. */
function keyOf({ org, by, since, what }) {
  return JSON.stringify([org, by, since ?? what]);
}

const take = eachFrame((closed) => {
  items = closed.items;
  show();
});

setInterval(() => {
  if (items.length > 0) show();
}, 1000);

on('closed', take);
keep({ path: () => '/closed', show: take, unread: 'closed-unread' });
