// Commands that wait for a second person.

import { post } from './api.js';
import { once, showEntry } from './commands.js';
import { byId, el, keyed } from './dom.js';
import { at } from './format.js';
import { keep } from './live.js';
import { known, on } from './store.js';

const told = byId('approvals-told');
let waiting = new Map();

function show() {
  keyed(byId('approvals-list'), [...waiting.values()], (entry) => `${entry.id} ${known.me?.name}`, make);
  byId('approvals').hidden = waiting.size === 0;
}

function make(entry) {
  const item = el('li', { class: 'reason' });
  item.append(el('code', {}, entry.command), el('p', { class: 'quiet' }, `Command ${entry.id} of ${entry.actor}, ${at(entry.at)} UTC`));
  const decide = (approve) => (event) => once(event.target, told, async () => {
    const decided = await post(`/commands/${entry.id}/approval`, { approve });
    take(decided);
    showEntry(decided, told);
  });
  const button = (approve, text) =>
    el('button', { type: 'button', class: approve ? '' : 'danger', onclick: decide(approve) }, text);
  const isOwn = entry.actor === known.me?.name;
  if (isOwn) item.append(el('p', {}, 'You gave it: another user must approve it.'));
  const buttons = isOwn ? [button(false, 'Take back')] : [button(true, 'Approve'), button(false, 'Refuse')];
  item.append(el('div', { class: 'buttons changes' }, ...buttons));
  return item;
}

function take(entry) {
  if (entry.outcome === 'waiting') waiting.set(entry.id, entry);
  else waiting.delete(entry.id);
  show();
}

on('command', take);
on('me', show);
keep({
  path: () => '/audit?waiting=true',
  show: ({ items }) => {
    waiting = new Map(items.map((entry) => [entry.id, entry]));
    show();
  },
  unread: 'approvals-unread',
});
