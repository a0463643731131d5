// The states of an org, in the order in which it passes them, and the letter of each in a map.

export const STATES = [
  ['h', 'holding'],
  ['r', 'ready'],
  ['s', 'started'],
  ['m', 'migrated'],
  ['f', 'failed'],
  ['b', 'rolled_back'],
  ['z', 'finalized'],
];

export const LETTERS = STATES.map(([letter]) => letter).join('');

export function letterOf(state) {
  return STATES.find(([, name]) => name === state)?.[0] ?? '?';
}

/** All orgs of a Migration. */
export function total(migration) {
  return STATES.reduce((sum, [, state]) => sum + migration[state], 0);
}
