// Requests to Mover, and errors of refused requests.

import { tell } from './store.js';

const KEY = 'mover-token';
// Mover answers a command that takes longer than 10 seconds before it is done.
const ANSWER_WITHIN_MS = 20_000;
// The header is in whole seconds, and takes a while to arrive: a smaller difference means nothing.
const CLOCK_ERROR_MS = 2000;
let clockAheadMs = 0;

/** Why a request failed. `status` is 0 if there was no answer at all. */
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

/** The time at Mover: the clock of this machine may be wrong. */
export function now() {
  return Date.now() - clockAheadMs;
}

/** A successful response; throws a Problem otherwise. A caller that may wait for long passes a `signal`. */
export async function request(path, { method = 'GET', body, bearer = token.get(), signal = AbortSignal.timeout(ANSWER_WITHIN_MS) } = {}) {
  const headers = { Authorization: `Bearer ${bearer}` };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const options = { method, headers, body: body && JSON.stringify(body), signal, cache: 'no-store', credentials: 'omit' };
  const asked = performance.now();
  const response = await fetch(`/api/v1${path}`, options).catch((error) => {
    throw unanswered(error, method);
  });
  setClock(response, performance.now() - asked);
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

function unanswered(error, method) {
  const unknown = 'Nothing is known of what came of this.';
  if (error.name !== 'TimeoutError') return new Problem({ type: 'unreachable', title: 'Mover cannot be reached', detail: unknown });
  const detail = method === 'GET' ? 'It is slow, or the network is.' : unknown;
  return new Problem({ type: 'late', title: 'Mover does not answer in time', detail });
}

async function problemOf(response) {
  const told = await response.json().catch(() => ({}));
  const title = told.title ?? `The answer was ${response.status}`;
  return new Problem({ ...told, title, status: response.status }, Number(response.headers.get('Retry-After')) || 0);
}

function setClock(response, tookMs) {
  const ahead = Date.now() - Date.parse(response.headers.get('Date'));
  if (Number.isNaN(ahead) || tookMs > CLOCK_ERROR_MS) return;
  clockAheadMs = Math.abs(ahead) > CLOCK_ERROR_MS ? ahead : 0;
}
