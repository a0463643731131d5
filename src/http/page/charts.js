// Charts of the last hour: how many orgs moved, and how long each was closed for writes.

import { byId, el, keyed, setText } from './dom.js';
import { at, count, decimal, ms } from './format.js';
import { now } from './api.js';
import { keep } from './live.js';
import { known } from './store.js';

const MINUTES = 60;
const EVERY_SECONDS = 10;
const HEIGHT = 200;
const MARGIN = { top: 8, right: 8, bottom: 24, left: 48 };
const TICKS = 4;

let latest = null;

const perMinute = (number) => (number * 60) / latest.bucket_seconds;

const CHARTS = [
  {
    place: byId('throughput-chart'),
    label: 'Throughput',
    series: [
      { name: 'moved', shape: 'bars', of: (bucket) => perMinute(bucket.moved), tell: (value) => `${decimal(value)} orgs/min` },
      { name: 'failed', shape: 'bars', of: (bucket) => perMinute(bucket.failed), tell: (value) => `${decimal(value)} orgs/min` },
    ],
  },
  {
    place: byId('block-time-chart'),
    label: 'Block time',
    series: [
      { name: 'p50', shape: 'line', of: (bucket) => bucket.p50_ms, tell: ms },
      { name: 'p99', shape: 'line', of: (bucket) => bucket.p99_ms, tell: ms },
    ],
  },
];

function draw() {
  if (!latest) return;
  for (const chart of CHARTS) {
    if (!chart.rows) begin(chart);
    chart.place.firstElementChild.replaceWith(picture(chart));
    setText(chart.told, latestValues(chart.series));
    showRows(chart);
  }
}

/** The permanent parts: redrawing the picture must not interrupt a user who reads the caption or the table. */
function begin(chart) {
  const { place, label, series } = chart;
  chart.told = el('span');
  chart.rows = el('tbody');
  const head = el('tr', {}, el('th', { scope: 'col' }, 'From (UTC)'), ...series.map(({ name }) => el('th', { scope: 'col' }, name)));
  const table = el('table', {}, el('caption', {}, label), el('thead', {}, head), chart.rows);
  // A table ignores overflow, so an element around it hides it.
  const unseen = el('div', { class: 'unseen' }, table);
  place.append(svg('svg', {}), el('figcaption', { class: 'quiet' }, ...series.map(sample), chart.told), unseen);
}

function picture({ place, label, series }) {
  const width = Math.max(240, place.clientWidth);
  const end = now();
  const start = end - MINUTES * 60_000;
  const bucketMs = 1000 * latest.bucket_seconds;
  const buckets = latest.buckets.filter((bucket) => Date.parse(bucket.at) + bucketMs > start);
  const stacked = series[0].shape === 'bars';
  const tops = buckets.map((bucket) => {
    const values = series.map((each) => each.of(bucket) ?? 0);
    return stacked ? values.reduce((sum, value) => sum + value) : Math.max(...values);
  });
  const ticks = ticksUpTo(Math.max(1, ...tops));
  const scale = {
    x: (time) => MARGIN.left + ((Math.min(end, Math.max(start, time)) - start) / (end - start)) * (width - MARGIN.left - MARGIN.right),
    y: (value) => HEIGHT - MARGIN.bottom - (value / ticks.at(-1)) * (HEIGHT - MARGIN.top - MARGIN.bottom),
    bucketMs,
  };
  const told = { role: 'img', 'aria-label': `${label}, last hour. ${latestValues(series)}` };
  return svg('svg', { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, ...told },
    ...ticks.flatMap((tick) => [
      svg('line', { class: 'grid', x1: MARGIN.left, x2: width - MARGIN.right, y1: scale.y(tick), y2: scale.y(tick) }),
      svg('text', { x: MARGIN.left - 6, y: scale.y(tick) + 4, 'text-anchor': 'end' }, count(tick)),
    ]),
    ...[60, 45, 30, 15, 0].map((minutes) => {
      const place = { x: scale.x(end - minutes * 60_000), y: HEIGHT - 6, 'text-anchor': minutes ? 'middle' : 'end' };
      return svg('text', place, minutes ? `−${minutes} min` : 'now');
    }),
    ...(stacked ? bars(series, buckets, scale) : series.map((each) => line(each, buckets, scale))));
}

function bars(series, buckets, { x, y, bucketMs }) {
  return buckets.flatMap((bucket) => {
    const left = x(Date.parse(bucket.at));
    const width = Math.max(1, x(Date.parse(bucket.at) + bucketMs) - left - 1);
    let below = 0;
    return series.map((each) => {
      const value = each.of(bucket);
      const top = y(below + value);
      const bar = svg('rect', { class: each.name, x: left, y: top, width, height: y(below) - top });
      below += value;
      return bar;
    });
  });
}

/** Each bucket is as wide as its time, so that a single one is visible. A bucket without a value breaks the line. */
function line(series, buckets, { x, y, bucketMs }) {
  let path = '';
  let previous = -Infinity;
  for (const bucket of buckets) {
    const value = series.of(bucket);
    if (value == null) continue;
    const time = Date.parse(bucket.at);
    path += `${time - previous > 1.5 * bucketMs ? 'M' : 'L'}${x(time)} ${y(value)} H${x(time + bucketMs)}`;
    previous = time;
  }
  return svg('path', { class: series.name, d: path });
}

/** Round numbers from 0 to at least `top`. */
function ticksUpTo(top) {
  const rough = top / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, power * [1, 2, 5, 10].find((factor) => factor * power >= rough));
  return Array.from({ length: Math.ceil(top / step) + 1 }, (_, index) => index * step);
}

/** The current bucket is incomplete: the whole one before it says more. An old one is not shown as if it were current. */
function latestValues(series) {
  const bucketMs = 1000 * latest.bucket_seconds;
  const endOf = (bucket) => Date.parse(bucket.at) + bucketMs;
  const last = latest.buckets.at(-1);
  if (!last) return 'Nothing came through.';
  if (now() - endOf(last) >= bucketMs) return `Nothing since ${at(new Date(endOf(last)).toISOString()).slice(11, 16)} UTC.`;
  const whole = latest.buckets.findLast((each) => endOf(each) <= now());
  const bucket = whole && now() - endOf(whole) < bucketMs ? whole : last;
  return `Latest: ${series.map((each) => `${each.name} ${each.tell(each.of(bucket))}`).join(', ')}.`;
}

function sample({ name, shape }) {
  const drawn = shape === 'bars'
    ? svg('rect', { class: name, width: 14, height: 10, y: 3 })
    : svg('path', { class: name, d: 'M0 8 h24' });
  const width = shape === 'bars' ? 18 : 28;
  return el('span', {}, svg('svg', { width, height: 14, 'aria-hidden': 'true' }, drawn), name);
}

function showRows({ rows, series }) {
  const make = (bucket) => el('tr', {}, el('th', { scope: 'row' }, at(bucket.at)), ...series.map(() => el('td')));
  keyed(rows, latest.buckets, (bucket) => bucket.at, make, (row, bucket) => {
    series.forEach((each, index) => setText(row.cells[index + 1], each.tell(each.of(bucket))));
  });
}

function svg(name, attributes, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

const resized = new ResizeObserver(draw);
for (const { place } of CHARTS) resized.observe(place);

keep({
  path: () => known.migration && `/migrations/${encodeURIComponent(known.migration)}/pace?minutes=${MINUTES}`,
  show: (pace) => {
    latest = pace;
    draw();
  },
  unread: 'pace-unread',
  topics: ['migration'],
  seconds: EVERY_SECONDS,
});
