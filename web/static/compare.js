// Original against enhanced: both halves out of one video picture, so that they are always of the same moment.

import { el } from "./dom.js";

const STEP = 0.02;
const LEAP = 0.1;

/** Draws the enhanced picture, and left of `split` (0 to 1) the original, scaled up smoothly as a player would. */
export function drawPicture(context, video, layout, split) {
  const [ex, ey, width, height] = layout.enhanced;
  fit(context.canvas, width, height);
  context.drawImage(video, ex, ey, width, height, 0, 0, width, height);
  const cut = Math.round(width * split);
  if (!layout.original || cut === 0) return;
  const [ox, oy, fromWidth, fromHeight] = layout.original;
  context.imageSmoothingQuality = "high";
  context.drawImage(video, ox, oy, (fromWidth * cut) / width, fromHeight, 0, 0, cut, height);
}

function fit(canvas, width, height) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}

/** The line between them, by pointer and keyboard. `onMove(split)` while it moves. */
export class Divider {
  element;
  split = 0.5;
  #stage;
  #onMove;

  constructor(stage, onMove) {
    this.#stage = stage;
    this.#onMove = onMove;
    const slider = { role: "slider", tabindex: "0", "aria-valuemin": "0", "aria-valuemax": "100" };
    const label = { "aria-label": "Divider between the original on the left and the enhanced picture on the right" };
    const on = { keydown: (event) => this.#key(event), pointerdown: (event) => this.#grab(event) };
    this.element = el("div", { class: "divider", hidden: true, ...slider, ...label, on });
    for (const [name, text] of [
      ["grip", ""],
      ["side left", "Original"],
      ["side right", "Enhanced"],
    ]) {
      this.element.append(el("span", { class: name, text, "aria-hidden": "true" }));
    }
    this.move(this.split);
  }

  move(split) {
    this.split = Math.min(1, Math.max(0, split));
    const percent = Math.round(this.split * 100);
    this.element.style.setProperty("--split", String(this.split));
    this.element.setAttribute("aria-valuenow", String(percent));
    this.element.setAttribute("aria-valuetext", `${percent} % original, ${100 - percent} % enhanced`);
    this.#onMove(this.split);
  }

  #key(event) {
    const step = event.shiftKey ? LEAP : STEP;
    const moves = {
      ArrowLeft: this.split - step,
      ArrowDown: this.split - step,
      ArrowRight: this.split + step,
      ArrowUp: this.split + step,
      PageDown: this.split - LEAP,
      PageUp: this.split + LEAP,
      Home: 0,
      End: 1,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    this.move(moves[event.key]);
  }

  #grab(event) {
    const { element } = this;
    element.setPointerCapture(event.pointerId);
    const follow = (moved) => this.move(this.#share(moved));
    element.addEventListener("pointermove", follow);
    const release = () => element.removeEventListener("pointermove", follow);
    element.addEventListener("lostpointercapture", release, { once: true });
  }

  #share(event) {
    const box = this.#stage.getBoundingClientRect();
    return (event.clientX - box.left) / box.width;
  }
}
