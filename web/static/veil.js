// What lies over a picture that doesn't come: why, what happens next, and a way to hurry it.

import { el, say } from "./dom.js";

export class Veil {
  #words = [el("p"), el("p")];
  #hurry;
  element;

  /** `onRetry`: called when the viewer won't wait for the next try. */
  constructor(onRetry) {
    this.#hurry = el("button", { type: "button", class: "button", text: "Try now", on: { click: onRetry } });
    this.element = el("div", { class: "veil" }, ...this.#words, this.#hurry);
    // A press on it is none on the picture below.
    this.element.addEventListener("pointerdown", (event) => event.stopPropagation());
  }

  /** `lines`: none, one or two; without any it is lifted. */
  show(lines, { canRetry }) {
    this.#words.forEach((word, i) => say(word, lines[i] ?? ""));
    this.#hurry.hidden = !canRetry;
    this.element.hidden = !lines.length;
  }
}
