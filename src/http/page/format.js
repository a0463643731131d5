// Formats numbers, times and long texts.

const TEXT_MAX = 80;
const integer = new Intl.NumberFormat('en');
const tenths = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

export const count = (number) => integer.format(number);
export const decimal = (number) => tenths.format(number);
export const orgs = (number) => `${count(number)} ${number === 1 ? 'org' : 'orgs'}`;
export const words = (name) => name.replaceAll('_', ' ');

/** Milliseconds; none is a dash. */
export function ms(number) {
  return number == null ? '–' : `${number < 10 ? decimal(number) : count(Math.round(number))} ms`;
}

/** Seconds as text: the two largest units. */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ];
  const first = parts.findIndex(([number]) => number > 0);
  if (first < 0) return '0 s';
  return parts.slice(first, first + 2).filter(([number]) => number > 0).map(([number, unit]) => `${number} ${unit}`).join(' ');
}

/** The progress of the copy of a large org. */
export function progressText({ ranges_done: done, ranges, rows_copied: rows, rows_expected: expected, seconds_left: left }) {
  const all = done < ranges ? ` of about ${count(expected)}` : '';
  const time = left == null ? '' : `, about ${span(left)} left`;
  return `${count(done)} of ${count(ranges)} ranges, ${count(rows)}${all} rows copied${time}`;
}

/** A time of RFC 3339 in UTC to the second, as Mover prints it elsewhere; none is empty. */
export function at(time) {
  return time ? time.slice(0, 19).replace('T', ' ') : '';
}

/** Rounded down, so that 100 means all. */
export function percent(part, whole) {
  return whole === 0 ? 0 : Math.floor((100 * part) / whole);
}

/** The beginning of a long text. */
export function short(text, max = TEXT_MAX) {
  const characters = Array.from(text.slice(0, 2 * max + 2));
  return characters.length <= max ? text : `${characters.slice(0, max - 1).join('')}…`;
}

/** Anything as a text. */
export function plain(value) {
  if (value == null) return 'absent';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
