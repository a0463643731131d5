// One cell for each org, drawn on a canvas. All at once they are pixels of one image, which works for a million of them; changed
// ones are rectangles, drawn together in the next frame.

import { LETTERS } from './states.js';

const CELL_MAX = 24;
const HEIGHT_MAX = 480;
const GAP_FROM = 6;
const LETTER_FROM = 14;
// From this share of changed cells on, drawing all of them is cheaper.
const SHARE_OF_ALL = 1 / 8;

export class Cells {
  /** `states` has the index of each org's state in `LETTERS`. */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d', { alpha: false });
    this.states = new Uint8Array();
    this.changed = [];
    this.asked = false;
    this.readColours();
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => {
      // The canvas returns #rrggbb, however the colour was written.
      this.context.fillStyle = style.getPropertyValue(name).trim();
      return this.context.fillStyle;
    };
    this.fills = Array.from(LETTERS, (letter) => colour(`--${letter}`));
    this.inks = Array.from(LETTERS, (letter) => colour(`--on-${letter}`));
    this.ground = colour('--panel');
  }

  /** Makes the cells as large as possible for `width` CSS pixels, and draws them. */
  layOut(width, states = this.states) {
    const ratio = devicePixelRatio;
    const pixels = Math.max(1, Math.floor(width * ratio));
    this.states = states;
    this.ratio = ratio;
    this.size = Math.floor(CELL_MAX * ratio);
    while (this.size > 1 && Math.ceil(states.length / Math.floor(pixels / this.size)) * this.size > HEIGHT_MAX * ratio) this.size -= 1;
    this.columns = Math.max(1, Math.floor(pixels / this.size));
    this.gap = this.size >= GAP_FROM * ratio ? 1 : 0;
    this.canvas.width = this.columns * this.size;
    this.canvas.height = Math.max(1, Math.ceil(states.length / this.columns)) * this.size;
    this.canvas.style.width = `${this.canvas.width / ratio}px`;
    this.canvas.style.height = `${this.canvas.height / ratio}px`;
    this.drawAll();
  }

  /** The org at this position on the canvas, in CSS pixels; -1 if there is none. */
  at(x, y) {
    const column = Math.floor((x * this.ratio) / this.size);
    const index = Math.floor((y * this.ratio) / this.size) * this.columns + column;
    return column >= 0 && column < this.columns && index >= 0 && index < this.states.length ? index : -1;
  }

  /** The position of an org's cell, in CSS pixels. */
  place(index) {
    const scale = this.size / this.ratio;
    return { x: (index % this.columns) * scale, y: Math.floor(index / this.columns) * scale, size: scale };
  }

  change(index, state) {
    this.states[index] = state;
    // A page in the background is not drawn: the queue must not grow without end.
    if (this.changed.length <= this.states.length * SHARE_OF_ALL) this.changed.push(index);
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => this.drawChanged());
  }

  drawChanged() {
    this.asked = false;
    if (this.changed.length > this.states.length * SHARE_OF_ALL) {
      this.drawAll();
      return;
    }
    // Sorted by state, as setting a colour costs more than a rectangle.
    this.changed.sort((a, b) => this.states[a] - this.states[b]);
    const side = this.size - this.gap;
    let state = -1;
    for (const index of this.changed) {
      if (this.states[index] !== state) {
        state = this.states[index];
        this.context.fillStyle = this.fills[state];
      }
      this.context.fillRect((index % this.columns) * this.size, Math.floor(index / this.columns) * this.size, side, side);
    }
    this.drawLetters(this.changed);
    this.changed = [];
  }

  drawAll() {
    const { canvas, columns, size, states } = this;
    const side = size - this.gap;
    const image = this.context.createImageData(canvas.width, canvas.height);
    const pixels = new Uint32Array(image.data.buffer).fill(pixelOf(this.ground));
    const colours = this.fills.map(pixelOf);
    for (let index = 0; index < states.length; index += 1) {
      let start = Math.floor(index / columns) * size * canvas.width + (index % columns) * size;
      for (let row = 0; row < side; row += 1, start += canvas.width) pixels.fill(colours[states[index]], start, start + side);
    }
    this.context.putImageData(image, 0, 0);
    this.changed = [];
    this.drawLetters(states.keys());
  }

  /** Large cells also show their letter. */
  drawLetters(indexes) {
    const { context, size, columns } = this;
    if (size < LETTER_FROM * this.ratio) return;
    context.font = `${Math.floor(size * 0.6)}px monospace`;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    const middle = (size - this.gap) / 2;
    for (const index of indexes) {
      context.fillStyle = this.inks[this.states[index]];
      context.fillText(LETTERS[this.states[index]], (index % columns) * size + middle, Math.floor(index / columns) * size + middle);
    }
  }
}

/** `#rrggbb` as the pixel of an image: its bytes are red, green, blue and opacity, the first one the lowest. */
function pixelOf(colour) {
  const rgb = Number.parseInt(colour.slice(1), 16);
  return (0xff000000 | ((rgb & 0xff) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
}
