// One figure over the last minute: a line over a few labelled heights; its value now and its greatest stand beside it.

import { el, say } from "./dom.js";
import { known } from "./words.js";

const SECONDS = 60;
const LETTERS_PX = 11;
const LEFT_PX = 34;

export class Graph {
  element;
  #values = [];
  #canvas = el("canvas", { class: "line", role: "img" });
  #now = el("strong");
  #most = el("span", { class: "quiet" });
  #title;
  #unit;
  #floor;

  /** `floor`: the value that at least is as high as the graph, so that small noise looks small. */
  constructor(title, { unit, floor }) {
    this.#title = title;
    this.#unit = unit;
    this.#floor = floor;
    const head = el("figcaption", {}, el("span", { text: title }), this.#now);
    this.#canvas.setAttribute("aria-label", `${title} over the last minute: nothing yet`);
    this.element = el("figure", { class: "graph" }, head, this.#canvas, this.#most);
  }

  /** The value of one more second, null where there is none. */
  push(value) {
    this.#values.push(known(value) ? value : null);
    if (this.#values.length > SECONDS) this.#values.shift();
  }

  draw() {
    const values = this.#values.filter(known);
    const now = this.#values.at(-1) ?? null;
    const most = values.length ? Math.max(...values) : null;
    const words = (value) => (value === null ? "–" : `${Math.round(value)}${this.#unit}`);
    say(this.#now, words(now));
    say(this.#most, `last minute, most ${words(most)}`);
    const summary = `${this.#title} over the last minute: now ${words(now)}, most ${words(most)}`;
    this.#canvas.setAttribute("aria-label", summary);
    this.#plot(Math.max(usual(values), this.#floor) * 1.2);
  }

  #plot(top) {
    const context = this.#canvas.getContext("2d");
    const zoom = window.devicePixelRatio || 1;
    const [width, height] = [this.#canvas.clientWidth, this.#canvas.clientHeight];
    this.#canvas.width = width * zoom;
    this.#canvas.height = height * zoom;
    context.scale(zoom, zoom);
    const style = getComputedStyle(this.#canvas);
    // The highest label needs room for its upper half.
    const up = (value) => height - 2 - (value / top) * (height - 2 - LETTERS_PX);
    context.strokeStyle = style.borderBottomColor;
    context.fillStyle = style.getPropertyValue("--quiet");
    context.font = `${LETTERS_PX}px system-ui, sans-serif`;
    for (const level of levels(top)) {
      const y = up(level);
      line(context, [
        [LEFT_PX, y],
        [width, y],
      ]);
      context.fillText(String(level), 0, y + LETTERS_PX / 3);
    }
    context.strokeStyle = style.color;
    context.lineWidth = 2;
    context.lineJoin = "round";
    const start = SECONDS - this.#values.length;
    const at = (value, i) => [LEFT_PX + ((start + i) / (SECONDS - 1)) * (width - LEFT_PX), up(value)];
    for (const run of runs(this.#values.map((value, i) => (value === null ? null : at(value, i))))) line(context, run);
  }
}

// Two or three round figures up to the top.
function levels(top) {
  const rough = top / 3;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find((factor) => unit * factor >= rough);
  return Array.from({ length: Math.floor(top / step) }, (_, i) => step * (i + 1));
}

function line(context, points) {
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
}

// What nine of ten values lie under: one outlier, as while a connection begins, would flatten a whole minute.
function usual(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * 0.9)] ?? 0;
}

/** Splits at the gaps. */
function runs(points) {
  const found = [[]];
  for (const point of points) {
    if (point !== null) found.at(-1).push(point);
    else if (found.at(-1).length) found.push([]);
  }
  return found;
}
