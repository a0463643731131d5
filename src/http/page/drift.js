// Flags that differ from Mover's decisions.

import { give } from './commands.js';
import { byId, fillTable, setText, setUsable } from './dom.js';
import { count, plain } from './format.js';
import { keep } from './live.js';

const EVERY_SECONDS = 30;
// The most entries.
const TOLD_MAX = 100;

const COLUMNS = [
  ['Key', ({ key }) => key],
  ['Wanted', ({ wanted }) => plain(wanted)],
  ['Found', ({ found }) => plain(found)],
];

function show({ checked, drifts, misrouted_total: total, misrouted }) {
  const wrong = total > 0 ? ` Orgs that are not routed to where they live: ${count(total)}. ${misrouted[0].text}.` : '';
  setText(byId('drift-line'), `${count(checked)} compared, ${howMany(drifts.length)} not as decided.${wrong}`);
  byId('drift-table').hidden = drifts.length === 0;
  setUsable(byId('drift-repair'), drifts.length > 0);
  fillTable(byId('drift-table'), COLUMNS, drifts, ({ key, wanted }) => JSON.stringify([key, wanted]));
}

function howMany(number) {
  if (number === 0) return 'none';
  return number < TOLD_MAX ? count(number) : `at least ${count(number)}`;
}

const check = keep({ path: () => '/flags/drift', show, unread: 'drift-unread', seconds: EVERY_SECONDS });

byId('drift-check').addEventListener('click', check);
byId('drift-repair').addEventListener('click', async () => {
  await give('flags repair', byId('drift-told'), byId('drift-repair'));
  check();
});
