// Orgs that are shut now, and for how long already.

import { now } from './api.js';
import { byId, fillTable, orgLink } from './dom.js';
import { at, span } from './format.js';
import { keep } from './live.js';
import { eachFrame, on } from './store.js';

let items = [];

const COLUMNS = [
  ['Org', ({ org }) => orgLink(org)],
  // Nobody wrote down when an operator did it.
  ['For', ({ since }) => (since ? span((now() - Date.parse(since)) / 1000) : 'not known')],
  ['Since (UTC)', ({ since }) => at(since)],
  ['By', ({ by }) => by],
  ['What', ({ what }) => what ?? ''],
];

function show() {
  byId('closed-none').hidden = items.length > 0;
  byId('closed-table').hidden = items.length === 0;
  fillTable(byId('closed-table'), COLUMNS, items, ({ org, by, since }) => JSON.stringify([org, by, since]));
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
