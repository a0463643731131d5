// What a person can see of a page. Only what is shown counts.

const shown = (node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && node.getClientRects().length > 0;

/** The elements that are shown, of these those with exactly this text if one is given. */
const find = (selector, name) => [...document.querySelectorAll(selector)]
  .filter((node) => shown(node) && (name == null || node.innerText.trim() === name));

const text = (selector) => find(selector).map((node) => node.innerText).join('\n');

const frame = () => new Promise((resolve) => { requestAnimationFrame(resolve); });

const middle = (node) => {
  const { x, y, width, height } = node.getBoundingClientRect();
  return [x + width / 2, y + height / 2];
};

/** Where to click for an element; null while it cannot be clicked: not there, not usable, behind something, or still moving. */
const target = async (selector, name) => {
  const [node] = find(selector, name);
  if (!node || node.matches(':disabled, [aria-disabled="true"], [readonly]')) return null;
  node.scrollIntoView({ block: 'center', behavior: 'instant' });
  const [x, y] = middle(node);
  await frame();
  await frame();
  const [nowX, nowY] = middle(node);
  const top = document.elementFromPoint(x, y);
  if (x !== nowX || y !== nowY || !(node.contains(top) || node.labels?.[0]?.contains(top))) return null;
  // A click that went elsewhere, because the page moved just then, is one to repeat.
  node.addEventListener('click', () => { window.wasClicked = true; }, { once: true, capture: true });
  window.wasClicked = false;
  return [x, y];
};
