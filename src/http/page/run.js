// The latest run of a runbook, and its steps.

import { byId, el, keyed, setText } from './dom.js';
import { at } from './format.js';
import { keep } from './live.js';
import { on } from './store.js';

let latest = 0;

function show(run) {
  if (run.id < latest) return;
  latest = run.id;
  setText(byId('run-line'), lineOf(run));
  // The steps of a rollback have numbers of their own, so a number may occur twice.
  keyed(byId('run-steps'), run.steps ?? [], (_, at) => `${run.id} ${at}`, makeStep, showStep);
}

function lineOf(run) {
  let end = 'in progress';
  if (run.undone_at) end = `undone ${at(run.undone_at)}`;
  else if (run.done_at) end = `done ${at(run.done_at)}`;
  return `Run ${run.id}: ${run.title}. Begun by ${run.begun_by}, ${at(run.begun_at)} UTC; ${end}.`;
}

function makeStep() {
  return el('li', {}, el('strong'), el('span', { class: 'wrap' }), el('div', { class: 'quiet' }));
}

function showStep(node, { number, what, state, told, actor, ended_at: ended }) {
  const [place, text, facts] = node.children;
  setText(place, `${number}. `);
  setText(text, `${what}: ${state ?? 'not begun'}`);
  setText(facts, [told, actor, at(ended)].filter(Boolean).join(' · '));
}

on('run', show);
const readLatest = keep({ path: () => latest && `/runs/${latest}`, show, unread: 'run-unread' });
keep({
  path: () => '/runs',
  show: ({ items }) => {
    latest = Math.max(0, ...items.map(({ id }) => id));
    if (latest === 0) setText(byId('run-line'), 'No runbook was run yet.');
    readLatest();
  },
  unread: 'runs-unread',
});
