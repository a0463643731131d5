// Steering the campaign, and the command line.

import { give } from './commands.js';
import { byId, setText, setUsable } from './dom.js';
import { count } from './format.js';
import { known, on, selected } from './store.js';

const steering = byId('steering');
const told = byId('steering-told');
const retry = byId('retry-failed');
const line = byId('command');

// The phases in which a command makes sense. `resume` also takes over orgs of an ended process.
const PHASES = { pause: ['running'], resume: ['paused'], halt: ['running', 'paused'] };

function show() {
  const campaign = known.status?.campaign;
  const live = campaign && campaign.phase !== 'ended';
  setText(byId('steering-legend'), live ? `Campaign ${campaign.id} of ${campaign.migration}` : 'No campaign runs');
  for (const button of steering.querySelectorAll('[data-command]')) {
    const { command } = button.dataset;
    const takesOver = command === 'resume' && live && !campaign.node_alive;
    setUsable(button, live && (PHASES[command].includes(campaign.phase) || takesOver));
  }
  showNumber('concurrency', live, campaign?.concurrency);
  showNumber('sleep_time', live, campaign?.sleep_time_ms);
  const failed = selected()?.failed ?? 0;
  setUsable(retry, failed > 0);
  setText(retry, failed ? `Retry ${count(failed)} failed of ${known.migration}` : 'Retry failed');
}

function showNumber(name, live, number) {
  const form = steering.querySelector(`[data-set="${name}"]`);
  const input = form.querySelector('input');
  input.readOnly = !live;
  setUsable(form.querySelector('button'), live);
  // Text that is being typed is only replaced when the number itself changed.
  if (number === undefined || input.dataset.now === String(number)) return;
  input.dataset.now = number;
  input.value = number;
}

for (const button of steering.querySelectorAll('[data-command]')) {
  button.addEventListener('click', () => give(button.dataset.command, told, button));
}

for (const form of steering.querySelectorAll('[data-set]')) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    give(`set ${form.dataset.set} ${form.querySelector('input').value}`, told, form.querySelector('button'));
  });
}

retry.addEventListener('click', () => give(`retry ${known.migration} failed`, told, retry));

byId('command-line').addEventListener('submit', (event) => {
  event.preventDefault();
  const command = line.value.trim();
  if (command) give(command, byId('command-told'), event.target.querySelector('button'));
});

function whyOf({ role, approvals }) {
  if (role === 'viewer') return 'You are a viewer: commands that only look work; to change something takes an operator.';
  return `What is commanded here is in the audit, with your name.${approvals ? ' The point of no return needs a second person.' : ''}`;
}

on('me', (me) => {
  steering.disabled = me.role === 'viewer';
  setText(byId('controls-why'), whyOf(me));
});
on('shown-status', show);
on('migration', show);
