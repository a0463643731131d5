// The supervision tree, and what each worker is doing.

import { byId, el, fillTable, keyed, setText } from './dom.js';
import { count, span } from './format.js';
import { keep } from './live.js';
import { eachFrame, on } from './store.js';

// A supervisor of thousands would only show that there are thousands.
const CHILDREN_MAX = 100;
const WORKERS_EVERY_SECONDS = 2;

let root = null;
let cameAt = 0;

const WORKERS = [
  ['Worker', ({ id }) => String(id)],
  ['State', ({ state }) => state],
  ['Restarts', ({ restarts }) => count(restarts)],
  ['Doing', ({ doing }) => (doing == null ? 'nothing' : plainDoing(doing))],
];

function plainDoing(doing) {
  return typeof doing === 'string' ? doing || 'nothing' : Object.values(doing).filter((part) => part != null).join(' ');
}

function showWorkers({ items }) {
  byId('workers-none').hidden = items.length > 0;
  byId('workers-table').hidden = items.length === 0;
  fillTable(byId('workers-table'), WORKERS, items, ({ id }) => id);
}

function showActors(list, actors) {
  keyed(list, actors.slice(0, CHILDREN_MAX), ({ path }) => path, makeActor, showActor);
}

function makeActor({ id }) {
  return el('li', {}, el('strong', { class: 'wrap' }, id), ' ', el('span'), el('span', { class: 'quiet' }), el('ul'));
}

function showActor(node, actor) {
  const [, state, facts, list] = node.children;
  // An actor that has finished normally is no reason for an alarm.
  const ended = actor.state === 'down' && actor.last_exit === 'normal';
  state.dataset.state = ended ? 'ended' : actor.state;
  setText(state, state.dataset.state);
  setText(facts, factsOf(actor));
  list.hidden = actor.children.length === 0;
  showActors(list, actor.children);
}

function factsOf({ since_ms: since, restarts, mailbox, last_exit: exit, note, children }) {
  const facts = [` for ${span((since + performance.now() - cameAt) / 1000)}`];
  if (restarts > 0) facts.push(`restarts ${count(restarts)}`);
  if (mailbox > 0) facts.push(`mailbox ${count(mailbox)}`);
  if (exit) facts.push(`last exit: ${exit}`);
  if (note) facts.push(note);
  if (children.length > CHILDREN_MAX) facts.push(`the first ${CHILDREN_MAX} of ${count(children.length)}`);
  return facts.join(' · ');
}

const showTree = eachFrame(() => showActors(byId('tree-list'), [root]));

function take(tree) {
  root = tree;
  cameAt = performance.now();
  showTree();
}

// The passing of time is no change, so nothing is announced.
setInterval(() => {
  if (root) showTree();
}, 1000);

on('tree', take);
keep({ path: () => '/tree', show: take, unread: 'tree-unread' });
keep({ path: () => '/workers', show: showWorkers, unread: 'workers-unread', seconds: WORKERS_EVERY_SECONDS });
