// Requests to Mover, and what comes back when one is refused.

import { tell } from './store.js';

const KEY = 'mover-token';
let clockAheadMs = 0;

/** Why a request was not answered. `status` is 0 if there was no answer at all. */
export class Problem extends Error {
  constructor({ type = '', title, detail = '', status = 0, ...more }, retryAfter = 0) {
    super(title);
    this.name = type.replace('urn:mover:problem:', '');
    Object.assign(this, { title, detail, status, more, retryAfter });
  }
}

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (text) => sessionStorage.setItem(KEY, text),
  forget: () => sessionStorage.removeItem(KEY),
};

/** The time at Mover: the clock of whoever looks may be wrong. */
export function now() {
  return Date.now() - clockAheadMs;
}

/** A response that is good; throws a Problem otherwise. */
export async function request(path, { method = 'GET', body, headers = {}, bearer = token.get(), signal } = {}) {
  const all = { Authorization: `Bearer ${bearer}`, ...headers };
  if (body !== undefined) all['Content-Type'] = 'application/json';
  const options = { method, headers: all, body: body && JSON.stringify(body), signal, cache: 'no-store', credentials: 'omit' };
  const response = await fetch(`/api/v1${path}`, options).catch(() => {
    throw new Problem({ title: 'Mover cannot be reached', detail: 'Nothing is known of what came of this.' });
  });
  setClock(response);
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (response.status === 401) tell('unauthorized', problem);
  throw problem;
}

export async function get(path, options) {
  return json(await request(path, options));
}

export async function post(path, body) {
  return json(await request(path, { method: 'POST', body }));
}

async function json(response) {
  return response.json().catch(() => {
    throw new Problem({ title: 'The answer broke off', status: response.status });
  });
}

async function problemOf(response) {
  const told = await response.json().catch(() => ({}));
  const title = told.title ?? `The answer was ${response.status}`;
  return new Problem({ ...told, title, status: response.status }, Number(response.headers.get('Retry-After')) || 0);
}

function setClock(response) {
  const ahead = Date.now() - Date.parse(response.headers.get('Date'));
  // The header is in whole seconds: less than two say nothing.
  if (Math.abs(ahead) > 2000) clockAheadMs = ahead;
}
