// Orgs that failed: place, reason, and what to do.

import { give, quoted } from './commands.js';
import { byId, el, keyed, orgLink, setText } from './dom.js';
import { orgs, short, words } from './format.js';
import { known, on, selected } from './store.js';

const COMMAND_MAX = 160;

function show() {
  const migration = selected();
  const failures = migration?.failures ?? [];
  keyed(byId('failures-list'), failures, keyOf, make);
  byId('failures-none').hidden = failures.length > 0 || !known.status;
  const more = (migration?.failed ?? 0) - failures.length;
  byId('failures-more').hidden = more <= 0;
  setText(byId('failures-more'), `${orgs(more)} more: choose the state “failed” in the list of orgs.`);
}

/** A failure never changes once shown: another reason is another failure. */
function keyOf(failure) {
  return JSON.stringify([known.migration, failure]);
}

function make({ org, step, reason, table, row }) {
  const item = el('li', { class: 'failure' }, orgLink(org), el('p', { class: 'wrap' }, `At ${words(step)}: ${reason}`));
  if (table) item.append(el('p', { class: 'wrap' }, 'Table ', el('code', {}, table), row ? ', row ' : '', row ? el('code', {}, row) : ''));
  item.append(...wayOn(known.migration, org, byId('failures-told')));
  return item;
}

/** What to do about a failed org. `told` is elsewhere, as all of this disappears when the org is no longer failed. */
export function wayOn(migration, org, told) {
  const command = `retry ${migration} ${quoted(org)}`;
  const retry = el('button', { type: 'button', class: 'changes', onclick: () => give(command, told, retry) }, 'Retry');
  return [el('p', { class: 'wrap' }, 'Mend the cause, then: ', el('code', { title: command }, short(command, COMMAND_MAX))), retry];
}

on('shown-status', show);
on('migration', show);
