// The health, and what to do about problems.

import { byId, el, keyed, setText } from './dom.js';
import { keep } from './live.js';
import { on } from './store.js';

const LEVELS = { ok: '✓ All is well', warning: '! Needs attention', critical: '✕ Critical' };

function show(health) {
  const level = byId('health-level');
  level.dataset.level = health.level;
  setText(level, LEVELS[health.level]);
  document.title = health.level === 'ok' ? 'Mover' : `${health.level} · Mover`;
  keyed(byId('health-causes'), health.causes, (cause) => `${cause.level} ${cause.text}`, makeCause);
}

function makeCause({ level, text }) {
  const [what, next] = text.split('; next: ');
  const cause = el('li', { 'data-level': level }, el('strong', {}, `${level}: `), what);
  if (next) cause.append(el('br'), 'Next: ', el('code', {}, next));
  return cause;
}

keep({ path: () => '/health', show, unread: 'health-unread' });
on('health', show);
