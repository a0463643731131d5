// The latest commands: user, time and result.

import { byId, fillTable } from './dom.js';
import { at, short } from './format.js';
import { keep } from './live.js';
import { on } from './store.js';

const LATEST = 20;
const TEXT_MAX = 240;

let entries = new Map();

const COLUMNS = [
  ['When', (entry) => at(entry.at)],
  ['Who', ({ actor, door }) => `${actor}, ${door}`],
  ['Command', ({ command }) => short(command, TEXT_MAX)],
  ['Outcome', ({ outcome, approved_by: by }) => (by ? `${outcome}, decided by ${by}` : outcome)],
  ['Answer', ({ told }) => short(told ?? '', TEXT_MAX)],
];

function show() {
  const latest = [...entries.values()].sort((a, b) => b.id - a.id).slice(0, LATEST);
  entries = new Map(latest.map((entry) => [entry.id, entry]));
  fillTable(byId('audit-table'), COLUMNS, latest, ({ id }) => id);
}

on('command', (entry) => {
  entries.set(entry.id, entry);
  show();
});

keep({
  path: () => `/audit?limit=${LATEST}`,
  show: ({ items }) => {
    entries = new Map(items.map((entry) => [entry.id, entry]));
    show();
  },
  unread: 'audit-unread',
});
