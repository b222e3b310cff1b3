// What lies over a picture that doesn't come: why, what happens next, and a way to hurry it.

import { el, say } from "./dom.js";

export class Veil {
  #words = [el("p"), el("p")];
  #hurry;
  #play;
  element;

  /** `onRetry`: called when the viewer won't wait for the next try; `onPlay`: when a paused picture is to go on. */
  constructor(onRetry, onPlay) {
    this.#hurry = choice("Try now", onRetry);
    this.#play = choice("Play", onPlay);
    this.element = el("div", { class: "veil" }, ...this.#words, this.#hurry, this.#play);
    // A press on it is none on the picture below.
    this.element.addEventListener("pointerdown", (event) => event.stopPropagation());
  }

  /** `lines`: none, one or two; without any it is lifted. */
  show(lines, { canRetry = false, canPlay = false } = {}) {
    this.#words.forEach((word, i) => say(word, lines[i] ?? ""));
    this.#hurry.hidden = !canRetry;
    this.#play.hidden = !canPlay;
    this.element.hidden = !lines.length;
  }
}

const choice = (text, click) => el("button", { type: "button", class: "button", text, on: { click } });
