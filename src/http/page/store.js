// What the panels share. They do not know each other: whatever happens is told here.

/** What is known now. */
export const known = { me: null, status: null, migration: null };

const bus = new EventTarget();

/** Calls `listener` with what is told about `topic`. A listener that throws does not keep others from hearing it. */
export function on(topic, listener) {
  bus.addEventListener(topic, (event) => listener(event.detail));
}

export function tell(topic, value) {
  bus.dispatchEvent(new CustomEvent(topic, { detail: value }));
}

/** A listener that draws at most once a frame, and then the latest. */
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

/** The selected migration as the latest status has it, if it has orgs. */
export function selected() {
  return known.status?.migrations.find((each) => each.migration === known.migration);
}
