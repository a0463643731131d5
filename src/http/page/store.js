// State that the panels share. They do not know each other: all changes are published here.

/** The present state. */
export const known = { me: null, status: null, migration: null };

const bus = new EventTarget();

/** Calls `listener` with each value published for `topic`. A listener that throws does not affect others. */
export function on(topic, listener) {
  bus.addEventListener(topic, (event) => listener(event.detail));
}

export function tell(topic, value) {
  bus.dispatchEvent(new CustomEvent(topic, { detail: value }));
}

/** A listener that draws at most once per frame, and then the latest value. */
export function eachFrame(draw) {
  let latest;
  let asked = false;
  return (value) => {
    latest = value;
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw(latest);
    });
  };
}

/** The selected migration in the latest status, if it has orgs. */
export function selected() {
  return known.status?.migrations.find((each) => each.migration === known.migration);
}
