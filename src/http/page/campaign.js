// The selected migration and the campaign: progress, speed, remaining time.

import { give } from './commands.js';
import { byId, el, fillFacts, keyed, setText, swatch } from './dom.js';
import { at, count, decimal, ms, orgs, percent, progressText, span, words } from './format.js';
import { keep } from './live.js';
import { STATES, total } from './states.js';
import { eachFrame, known, on, selected, tell } from './store.js';

const AIMS = { migrate: 'migrating', roll_back: 'rolling back', finalize: 'finalizing' };

const choice = byId('migration');
let defined = [];
// Whether the user selected the migration: then the selection stays.
let chosen = false;
// How many orgs a campaign that does not migrate is about: the states of the orgs do not tell.
let about = { id: null, total: null };

function show() {
  const campaign = known.status?.campaign;
  showChoice(campaign);
  const migration = selected();
  const all = migration ? total(migration) : 0;
  showLine(campaign, all);
  showReason(campaign);
  const progress = migration && progressOf(isOf(migration, campaign) ? campaign : null, migration, all);
  showProgress(progress, all);
  fillFacts(byId('campaign-facts'), migration ? factsOf(campaign, migration, progress) : []);
  showCounts(migration, all);
  byId('empty').hidden = all > 0 || !known.migration || !known.status;
  setText(byId('empty-command'), `orgs capture ${known.migration}`);
}

function showChoice(campaign) {
  const names = new Set([...defined, ...(known.status?.migrations ?? [])].map((each) => each.migration));
  if (campaign) names.add(campaign.migration);
  keyed(choice, [...names], (name) => name, (name) => el('option', { value: name }, name));
  byId('migration-choice').hidden = names.size < 2;
  // Before the status is known, it is unknown which of them matters.
  if (known.status && !(chosen && names.has(known.migration))) choose(mattersMost(campaign) ?? [...names][0] ?? null);
}

/** The migration of the latest campaign; before the first one, a migration with orgs. */
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

function isOf(migration, campaign) {
  return campaign?.migration === migration.migration;
}

/** How many orgs have reached the aim, how many failed, and how many should reach it, if that is known. */
function progressOf(campaign, migration, all) {
  if (!campaign || campaign.aim === 'migrate') {
    return { done: migration.migrated + migration.finalized, failed: migration.failed, meant: all };
  }
  return { done: campaign.migrated, failed: campaign.failed, meant: about.id === campaign.id ? about.total : null };
}

function showProgress(progress, all) {
  const bar = byId('progress');
  bar.hidden = all === 0;
  if (bar.hidden) return;
  const { done, failed, meant } = progress;
  const share = meant === null ? 0 : percent(done, meant);
  byId('progress-bar').style.width = `${share}%`;
  // Even one of a million must be visible.
  byId('progress-failed').style.width = failed > 0 && meant ? `${Math.min(100 - share, Math.max(1, percent(failed, meant)))}%` : 0;
  bar.setAttribute('aria-valuenow', share);
  bar.setAttribute('aria-valuetext', doneText(progress));
}

function doneText({ done, meant }) {
  return meant ? `${percent(done, meant)}%, ${count(done)} of ${orgs(meant)}` : '–';
}

function factsOf(campaign, migration, progress) {
  const { closed } = migration;
  const facts = [
    ['Done', doneText(progress)],
    ['Rate', `${decimal(migration.orgs_per_second)} orgs/s`],
    ['Time left', timeLeft(campaign, migration, progress)],
    ...(migration.misrouted > 0 ? [['Wrongly routed', `${count(migration.misrouted)} orgs`]] : []),
    ['Rows left', migration.rows_left == null ? '–' : `about ${count(migration.rows_left)}`],
    ['Closed for writes', closed ? `p50 ${ms(closed.p50_ms)}, p99 ${ms(closed.p99_ms)}, max ${ms(closed.max_ms)}` : '–'],
    ['From, to', migration.source ? `${migration.source} → ${migration.target}, ${migration.strategy}` : 'its definition is gone'],
    ['In flight by step', migration.steps.map(([step, number]) => `${words(step)} ${count(number)}`).join(', ') || '–'],
  ];
  for (const large of migration.large_orgs ?? []) facts.push([large.org, `${words(large.step)}: ${progressText(large)}`]);
  if (isOf(migration, campaign)) {
    facts.push(['This campaign', `${count(campaign.claimed)} claimed, ${count(campaign.migrated)} done, ${count(campaign.failed)} failed`]);
  }
  return facts;
}

function timeLeft(campaign, migration, { done, failed, meant }) {
  if (!isOf(migration, campaign) || campaign.phase !== 'running') return '–';
  const { orgs_per_second: rate, eta_seconds: untilAllMigrated, eta_at_least: atLeast } = migration;
  if (campaign.aim === 'migrate') {
    return untilAllMigrated == null ? 'not known' : `${atLeast ? 'at least' : 'about'} ${span(untilAllMigrated)}`;
  }
  return meant === null || rate === 0 ? 'not known' : `about ${span((meant - done - failed) / rate)}`;
}

function totalPath() {
  const campaign = known.status?.campaign;
  return campaign && campaign.aim !== 'migrate' && `/campaigns/${campaign.id}?total=true`;
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
  const isOfAnother = status.campaign?.id !== known.status?.campaign?.id;
  known.status = status;
  if (isOfAnother) readTotal();
  show();
  tell('shown-status', status);
}));

keep({ path: () => '/status', show: (status) => tell('status', status), unread: 'campaign-unread' });
const readTotal = keep({
  path: totalPath,
  show: ({ id, total }) => {
    about = { id, total };
    show();
  },
  unread: 'campaign-unread',
});
keep({
  path: () => '/migrations',
  show: (answer) => {
    defined = answer.items ?? answer;
    show();
  },
  unread: 'campaign-unread',
});
