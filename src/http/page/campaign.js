// The selected migration and the campaign: how far, how fast, how long still.

import { give } from './commands.js';
import { byId, el, fillFacts, keyed, setText, swatch } from './dom.js';
import { at, count, decimal, ms, orgs, percent, span, words } from './format.js';
import { keep } from './live.js';
import { STATES, total } from './states.js';
import { eachFrame, known, on, selected, tell } from './store.js';

const AIMS = { migrate: 'migrating', roll_back: 'rolling back', finalize: 'finalizing' };

const choice = byId('migration');
let defined = [];
// Whether a person selected the migration: what they look at stays.
let chosen = false;

function show() {
  const campaign = known.status?.campaign;
  showChoice(campaign);
  const migration = selected();
  const all = migration ? total(migration) : 0;
  showLine(campaign, all);
  showReason(campaign);
  showProgress(campaign, migration, all);
  fillFacts(byId('campaign-facts'), migration ? factsOf(campaign, migration) : []);
  showCounts(migration, all);
  byId('empty').hidden = all > 0 || !known.migration || !known.status;
  setText(byId('empty-command'), `orgs capture ${known.migration}`);
}

function showChoice(campaign) {
  const names = new Set([...defined, ...(known.status?.migrations ?? [])].map((each) => each.migration));
  if (campaign) names.add(campaign.migration);
  keyed(choice, [...names], (name) => name, (name) => el('option', { value: name }, name));
  byId('migration-choice').hidden = names.size < 2;
  // Before the status is known, nothing says which of them matters.
  if (known.status && !(chosen && names.has(known.migration))) choose(mattersMost(campaign) ?? [...names][0] ?? null);
}

/** What the latest campaign is about; before the first one, what has orgs. */
function mattersMost(campaign) {
  return campaign?.migration ?? known.status.migrations.find((each) => total(each) > 0)?.migration;
}

function choose(name) {
  if (name === known.migration) return;
  known.migration = name;
  if (name !== null) choice.value = name;
  tell('migration', name);
}

function showLine(campaign, all) {
  const line = byId('campaign-line');
  line.dataset.phase = campaign && (isInterrupted(campaign) ? 'interrupted' : campaign.phase);
  setText(line, lineOf(campaign, all));
}

function lineOf(campaign, all) {
  if (!known.status) return 'Nothing is known yet.';
  if (!known.migration) return 'No migration is defined yet.';
  if (!campaign) return `No campaign yet.${all > 0 ? ` Next: migrate ${known.migration} all` : ''}`;
  const about = `Campaign ${campaign.id}: ${AIMS[campaign.aim]} ${campaign.migration}`;
  if (campaign.phase === 'ended') return `${about}, ended ${at(campaign.ended_at)} UTC`;
  return `${about}, ${isInterrupted(campaign) ? 'interrupted' : campaign.phase} on node ${campaign.node}`;
}

function isInterrupted(campaign) {
  return campaign.phase !== 'ended' && !campaign.node_alive;
}

function showReason(campaign) {
  const place = byId('campaign-reason');
  const interrupted = campaign && isInterrupted(campaign);
  const reason = interrupted ? 'The process that drove it is gone, and orgs may be in 503. Next: resume, at once.' : campaign?.reason;
  place.hidden = !reason;
  setText(place, reason ?? '');
}

/** How many orgs are where the aim wants them, and how many are meant to be. */
function progressOf(aim, migration, all) {
  const left = migration.migrated + migration.started;
  if (aim === 'roll_back') return [migration.rolled_back, migration.rolled_back + left];
  if (aim === 'finalize') return [migration.finalized, migration.finalized + left];
  return [migration.migrated + migration.finalized, all];
}

function showProgress(campaign, migration, all) {
  const bar = byId('progress');
  bar.hidden = all === 0;
  if (bar.hidden) return;
  const aim = campaign?.migration === migration.migration ? campaign.aim : 'migrate';
  const [done, meant] = progressOf(aim, migration, all);
  const share = percent(done, meant);
  byId('progress-bar').style.width = `${share}%`;
  // Also one of a million is to be seen.
  byId('progress-failed').style.width = migration.failed > 0 ? `${Math.max(1, percent(migration.failed, meant))}%` : 0;
  bar.setAttribute('aria-valuenow', share);
  bar.setAttribute('aria-valuetext', `${share}%, ${count(done)} of ${orgs(meant)}`);
}

function factsOf(campaign, migration) {
  const bar = byId('progress');
  const { closed } = migration;
  const facts = [
    ['Done', bar.getAttribute('aria-valuetext')],
    ['Rate', `${decimal(migration.orgs_per_second)} orgs/s`],
    ['Time left', timeLeft(campaign, migration)],
    ['Closed for writes', closed ? `p50 ${ms(closed.p50_ms)}, p99 ${ms(closed.p99_ms)}, max ${ms(closed.max_ms)}` : '–'],
    ['From, to', `${migration.source} → ${migration.target}, ${migration.strategy}`],
    ['In flight by step', migration.steps.map(([step, number]) => `${words(step)} ${count(number)}`).join(', ') || '–'],
  ];
  if (campaign?.migration === migration.migration) {
    facts.push(['This campaign', `${count(campaign.claimed)} claimed, ${count(campaign.migrated)} done, ${count(campaign.failed)} failed`]);
  }
  return facts;
}

function timeLeft(campaign, { migration, eta_seconds: eta }) {
  if (campaign?.migration !== migration || campaign.phase !== 'running') return '–';
  return eta == null ? 'not known' : `about ${span(eta)}`;
}

function showCounts(migration, all) {
  const make = ([, state]) => el('li', {}, swatch(state), el('span'));
  keyed(byId('counts'), all > 0 ? STATES : [], ([letter]) => letter, make, (node, [, state]) => {
    setText(node.lastChild, `${words(state)} ${count(migration[state])}`);
  });
}

choice.addEventListener('change', () => {
  chosen = true;
  choose(choice.value);
  show();
});

byId('empty-button').addEventListener('click', () => {
  give(`orgs capture ${known.migration}`, byId('empty-told'), byId('empty-button'));
});

on('status', eachFrame((status) => {
  known.status = status;
  show();
  tell('shown-status', status);
}));

keep({ path: () => '/status', show: (status) => tell('status', status), unread: 'campaign-unread' });
keep({
  path: () => '/migrations',
  show: (answer) => {
    defined = answer.items ?? answer;
    show();
  },
  unread: 'campaign-unread',
});
