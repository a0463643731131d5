// The map: every org of the migration as a cell, kept up to date by events, and the table of its colours.

import { get } from './api.js';
import { Cells } from './cells.js';
import { byId, el, keyed, setText, setUsable, swatch } from './dom.js';
import { count, percent, short, words } from './format.js';
import { keep } from './live.js';
import { LETTERS, STATES, total } from './states.js';
import { known, on, selected, tell } from './store.js';

const LEGEND_EVERY_MS = 250;
const REREAD_AFTER_MS = 2000;
// A user who moves the pointer over the map does not need every org on the way.
const REST_MS = 150;

const frame = byId('map-frame');
const canvas = byId('map-canvas');
const ring = byId('map-ring');
const open = byId('map-open');
const cells = new Cells(canvas);

let ids = new Float64Array();
let counts = new Array(STATES.length).fill(0);
// A change during the read may be in the answer or not: it is applied again.
let meanwhile = null;
let pointed = { index: -1, move: null };
let legendTimer = null;
let rereadTimer = null;
let restTimer = null;

function show(map) {
  const id = ids[pointed.index];
  ids = Float64Array.from(map.ids);
  counts.fill(0);
  const states = Uint8Array.from(map.states, (letter) => LETTERS.indexOf(letter));
  for (const state of states) counts[state] += 1;
  cells.layOut(width(), states);
  pointAgain(id);
  const missed = meanwhile;
  meanwhile = null;
  missed.forEach(apply);
  showLegend();
}

function width() {
  const { paddingLeft, paddingRight } = getComputedStyle(frame);
  return frame.clientWidth - Number.parseFloat(paddingLeft) - Number.parseFloat(paddingRight);
}

function apply(changes) {
  if (changes.migration !== known.migration) return;
  for (const [id, letter] of changes.moves) {
    const index = indexOf(id);
    if (index >= 0) changeState(index, LETTERS.indexOf(letter));
    else if (!meanwhile) rereadSoon();
  }
  legendTimer ??= setTimeout(showLegend, LEGEND_EVERY_MS);
}

function changeState(index, state) {
  if (cells.states[index] === state) return;
  counts[cells.states[index]] -= 1;
  counts[state] += 1;
  cells.change(index, state);
  if (index === pointed.index) describe();
}

/** The index of an org; -1 if it was captured after the map was read. The ids ascend. */
function indexOf(id) {
  let low = 0;
  let high = ids.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (ids[middle] === id) return middle;
    if (ids[middle] < id) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

function rereadSoon() {
  rereadTimer ??= setTimeout(() => {
    rereadTimer = null;
    read();
  }, REREAD_AFTER_MS);
}

function showLegend() {
  legendTimer = null;
  keyed(byId('legend'), STATES, ([letter]) => letter, makeLegendRow, (row, [letter]) => {
    const number = counts[LETTERS.indexOf(letter)];
    setText(row.cells[1], count(number));
    const share = percent(number, ids.length);
    setText(row.cells[2], number > 0 && share === 0 ? '< 1%' : `${share}%`);
  });
}

function makeLegendRow([, state]) {
  const title = `List the orgs that are ${words(state)}`;
  const list = el('button', { class: 'link', type: 'button', title, onclick: () => tell('list', state) }, words(state));
  return el('tr', {}, el('th', { scope: 'row' }, swatch(state), list), el('td'), el('td'));
}

/** Points at an org: the ring goes there, and its name is read when the pointer rests. */
function point(index) {
  if (index === pointed.index) return;
  pointed = { index, move: null };
  clearTimeout(restTimer);
  showRing();
  if (index < 0) {
    setText(byId('map-org'), 'Point at a cell to see its org.');
    return;
  }
  restTimer = setTimeout(readMove, REST_MS, pointed);
  describe();
}

/** With the keyboard the pointer stays at its org, whatever its position is now. */
function pointAgain(id) {
  const index = id === undefined ? -1 : indexOf(id);
  if (index < 0) {
    point(-1);
    return;
  }
  pointed.index = index;
  showRing();
  describe();
  clearTimeout(restTimer);
  restTimer = setTimeout(readMove, REST_MS, pointed);
}

function showRing() {
  ring.hidden = open.hidden = pointed.index < 0;
  if (ring.hidden) return;
  const { x, y, size } = cells.place(pointed.index);
  ring.style.width = ring.style.height = `${size}px`;
  ring.style.transform = `translate(${x + canvas.offsetLeft}px, ${y + canvas.offsetTop}px)`;
}

async function readMove(mine) {
  try {
    mine.move = await get(`/moves/${ids[mine.index]}`);
  } catch {
    // The cell shows as much as is known.
    return;
  }
  if (mine === pointed) describe();
}

function describe() {
  const [, state] = STATES[cells.states[pointed.index]];
  const { move } = pointed;
  const place = byId('map-org');
  setUsable(open, Boolean(move));
  if (!move) {
    setText(place, `Move ${ids[pointed.index]}: ${words(state)}`);
    return;
  }
  const failure = move.failure && state === 'failed' ? `, at ${words(move.failure.step)}: ${move.failure.reason}` : '';
  const [name, rest] = [short(move.org), `: ${words(state)}${short(failure, 160)}`];
  // Screen readers read every change aloud, so the same text is not set again.
  if (place.textContent !== name + rest) place.replaceChildren(el('bdi', { title: move.org }, name), rest);
}

function openOrg({ move }) {
  if (move) tell('open-org', move.org);
}

canvas.addEventListener('pointermove', (event) => point(cells.at(event.offsetX, event.offsetY)));

canvas.addEventListener('click', async (event) => {
  const before = pointed.index;
  point(cells.at(event.offsetX, event.offsetY));
  // A finger covers many cells and cannot hover: the first tap shows, the second opens.
  if (pointed.index < 0 || (event.pointerType === 'touch' && before !== pointed.index)) return;
  // The pointer may move on during the read.
  const clicked = pointed;
  if (!clicked.move) await readMove(clicked);
  openOrg(clicked);
});

canvas.addEventListener('keydown', (event) => {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -cells.columns, ArrowDown: cells.columns, Home: -Infinity, End: Infinity };
  if (event.key === 'Enter') openOrg(pointed);
  else if (event.key in steps && ids.length > 0) {
    const begins = pointed.index < 0 && event.key !== 'End';
    const wanted = begins ? 0 : pointed.index + steps[event.key];
    point(Math.min(ids.length - 1, Math.max(0, wanted)));
    ring.scrollIntoView({ block: 'nearest' });
  } else return;
  event.preventDefault();
});

open.addEventListener('click', () => openOrg(pointed));

new ResizeObserver(() => {
  cells.layOut(width());
  showRing();
}).observe(frame);

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  cells.readColours();
  cells.drawAll();
});

// New orgs have not moved yet: only their number shows them.
on('shown-status', () => {
  const migration = selected();
  if (migration && !meanwhile && total(migration) !== ids.length) rereadSoon();
});

on('moves', (changes) => {
  apply(changes);
  meanwhile?.push(changes);
});

const read = keep({
  path: () => known.migration && `/migrations/${encodeURIComponent(known.migration)}/map`,
  begun: () => { meanwhile = []; },
  show,
  unread: 'map-unread',
  topics: ['migration'],
});
