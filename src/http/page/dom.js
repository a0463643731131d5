// Building the page. Text from Mover only ever becomes text nodes and attributes.

import { short } from './format.js';
import { letterOf } from './states.js';
import { tell } from './store.js';

const childrenByKey = new WeakMap();

export const byId = (id) => document.getElementById(id);

/** An element; `onclick` and the like are listeners, everything else attributes. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Enables or disables a button. `disabled` would take the focus away from a user who has just pressed it. */
export function setUsable(button, usable) {
  button.ariaDisabled = usable ? null : 'true';
}

export function isUsable(button) {
  return button.ariaDisabled !== 'true';
}

/** Makes the children of `parent` those of `items`. Remaining children are changed in place, so that focus and selection stay, too. */
export function keyed(parent, items, keyOf, make, update = () => {}) {
  const wanted = new Map(items.map((item, at) => [keyOf(item, at), item]));
  const before = childrenByKey.get(parent) ?? new Map();
  const after = new Map();
  for (const [key, node] of before) if (!wanted.has(key)) remove(node);
  let place = parent.firstElementChild;
  for (const [key, item] of wanted) {
    const node = before.get(key) ?? make(item);
    update(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
    after.set(key, node);
  }
  childrenByKey.set(parent, after);
}

/** If the focus is lost with the node, it moves nearby: a screen reader reads the heading next. */
function remove(node) {
  const heading = node.contains(document.activeElement) && node.closest('section[aria-labelledby], dialog')?.querySelector('h2');
  node.remove();
  if (!heading) return;
  heading.tabIndex = -1;
  // The node may disappear while the user looks elsewhere.
  heading.focus({ preventScroll: true });
}

/**
 * Fills a table. A column is `[label, of, update]`, where `of(item)` is a text or an element; an element is made once for a key, and
 * `update(element, item)` changes it in place. The roles say what CSS takes away where rows are cards.
 */
export function fillTable(table, columns, items, keyOf) {
  if (!table.tHead) {
    const headings = columns.map(([label]) => el('th', { scope: 'col', role: 'columnheader' }, label));
    table.setAttribute('role', 'table');
    table.append(el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ...headings)), el('tbody', { role: 'rowgroup' }));
  }
  const makeRow = () => el('tr', { role: 'row' }, ...columns.map(([label]) => el('td', { role: 'cell', 'data-label': label })));
  keyed(table.tBodies[0], items, keyOf, makeRow, (row, item) => {
    columns.forEach(([, of, update = () => {}], at) => {
      const cell = row.cells[at];
      const value = cell.firstElementChild ?? of(item);
      if (typeof value === 'string') return setText(cell, value);
      if (value.parentNode !== cell) cell.append(value);
      return update(value, item);
    });
  });
}

/** A list of facts: `[[what, text], …]`. */
export function fillFacts(list, facts) {
  const make = ([what]) => el('div', {}, el('dt', {}, what), el('dd'));
  keyed(list, facts, ([what]) => what, make, (node, [, text]) => setText(node.lastChild, text));
}

/** The name of an org; a click opens it. `bdi`, because a name may change the direction of the text after it. */
export function orgLink(org) {
  return el('button', { class: 'link', type: 'button', title: org, onclick: () => tell('open-org', org) }, el('bdi', {}, short(org)));
}

export function swatch(state) {
  const node = el('span', { class: 'swatch', 'aria-hidden': 'true' });
  setSwatch(node, state);
  return node;
}

export function setSwatch(node, state) {
  node.dataset.letter = letterOf(state);
  setText(node, node.dataset.letter);
}
