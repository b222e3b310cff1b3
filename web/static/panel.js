// The figures of one stream: a few beside the picture, all of them in a part that folds away.

import { el, say } from "./dom.js";
import { Graph } from "./graph.js";
import { LANES, dropWord, effortWord, figure, inOrder, known, laneWord, mendedWord } from "./words.js";
import { likenessLine, linkLine, milliseconds, size, stageWord } from "./words.js";

const LIKENESS = "Likeness to the original";
const HEADLINES = { glass: "glass to glass", fps: "fps", faces: "faces" };

export class Panel {
  headline = el("dl", { class: "headline" });
  /** Why pictures are less than they could be, if they are. */
  effort = el("p", { class: "effort" });
  element;
  #numbers = {};
  #latency = new Graph("Glass to glass", { unit: " ms", floor: 100 });
  #fps = new Graph("Pictures shown", { unit: " a second", floor: 25 });
  #groups = {};

  constructor() {
    for (const [key, words] of Object.entries(HEADLINES)) {
      this.#numbers[key] = el("dd", { text: "–" });
      this.headline.append(el("div", {}, el("dt", { text: words }), this.#numbers[key]));
    }
    const graphs = el("div", { class: "graphs" }, this.#latency.element, this.#fps.element);
    const groups = el("div", { class: "groups" });
    for (const title of ["Connection", "Picture", "Latency", "Stages", "Faces", LIKENESS, "Dropped pictures"]) {
      this.#groups[title] = el("dl");
      groups.append(el("section", {}, el("h3", { text: title }), this.#groups[title]));
    }
    this.#groups[LIKENESS].parentElement.hidden = true;
    const fold = el("details", { class: "details", on: { toggle: () => this.#draw() } });
    fold.append(el("summary", { text: "Details" }), graphs, groups);
    this.element = fold;
  }

  /** Once a second. `measured`: `glassP50`, `glassP95` (ms or null) and `fps` of this screen, `faces` of its picture. */
  second(measured) {
    this.#latency.push(measured.glassP50);
    this.#fps.push(measured.fps);
    this.#draw();
  }

  /** Whatever is known now; `link` as `linkLine` takes it. */
  update(status, measured, link) {
    say(this.#numbers.glass, milliseconds(measured.glassP50));
    say(this.#numbers.fps, figure(measured.fps));
    const faces = status.faces ? sum(status.faces) : null;
    say(this.#numbers.faces, figure(faces));
    say(this.#numbers.faces.previousElementSibling, faces === 1 ? "face" : "faces");
    const { effort } = status;
    const isLess = effort && effort.name !== "full" && status.state === "live";
    say(this.effort, isLess ? `Short of time, so ${effortWord(effort.name)}.` : "");
    if (this.#isOpen) this.#fill(status, measured, link);
  }

  get #isOpen() {
    return this.element.open;
  }

  #fill(status, measured, link) {
    this.#list("Connection", { "this page": linkLine(link), ...traffic(status, measured) });
    this.#list("Picture", picture(status));
    this.#list("Latency", {
      "glass to glass": milliseconds(measured.glassP50),
      "19 of 20 under": milliseconds(measured.glassP95),
      "in the server": milliseconds(status.latency_ms?.p50),
      "in the server, 19 of 20 under": milliseconds(status.latency_ms?.p95),
      "held by the browser": milliseconds(measured.held),
    });
    this.#list("Stages", stages(status.stages_ms), "Nothing measured yet");
    this.#list("Faces", words(status.faces, laneWord, String), "No face in the picture");
    this.#judged(measured.faces);
    this.#list("Dropped pictures", words(status.drops, dropWord, String), "None");
  }

  // Where nobody judges there is nothing to tell; where somebody does, it stays while no face is there.
  #judged(faces) {
    const rows = faces.map((face) => [`face #${face.track}`, likenessLine(face)]).filter(([, like]) => like);
    if (rows.length) this.#groups[LIKENESS].parentElement.hidden = false;
    this.#list(LIKENESS, Object.fromEntries(rows), "No restored face that was judged");
  }

  #list(title, pairs, empty = "") {
    const list = this.#groups[title];
    const entries = Object.entries(pairs);
    const key = JSON.stringify(entries);
    if (list.dataset.shown === key) return;
    list.dataset.shown = key;
    const rows = entries.map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { text: value })));
    list.replaceChildren(...(rows.length ? rows : [el("div", { class: "quiet" }, el("dd", { text: empty }))]));
  }

  #draw() {
    if (!this.#isOpen) return;
    this.#latency.draw();
    this.#fps.draw();
  }
}

/** Which colour of the overlay means what. */
export function legend() {
  const list = el("ul", { class: "legend", "aria-label": "Colours of the lanes" });
  for (const { word, color } of Object.values(LANES)) {
    const swatch = el("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.backgroundColor = color;
    list.append(el("li", {}, swatch, word));
  }
  return list;
}

// What takes no time worth showing is left out.
function stages(measured) {
  const rows = inOrder(measured).filter(([, ms]) => ms >= 0.05);
  return Object.fromEntries(rows.map(([stage, ms]) => [stageWord(stage), `${figure(ms, 1)} ms`]));
}

const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);

// Counts of zero say nothing.
function words(counts, word, value) {
  const entries = Object.entries(counts ?? {}).filter(([, count]) => count > 0);
  return Object.fromEntries(entries.map(([name, count]) => [word(name), value(count)]));
}

function traffic(status, measured) {
  return {
    "round trip": milliseconds(measured.roundTrip),
    bitrate: known(status.bitrate_kbps) ? `${figure(status.bitrate_kbps / 1000, 1)} Mbit/s` : "–",
    "packets lost": figure(measured.lost),
    viewers: `${figure(status.viewers)}${known(status.max_viewers) ? ` of ${status.max_viewers}` : ""}`,
    "source reconnected": figure(status.reconnects),
    ...words(status.mended, (what) => `mended: ${mendedWord(what)}`, String),
  };
}

function picture(status) {
  return {
    "from the source": size(status.width, status.height),
    enhanced: size(status.output_width, status.output_height),
    "coming in": `${figure(status.fps_in, 1)} a second`,
    "going out": `${figure(status.fps_out, 1)} a second`,
    sound: status.has_sound === null || status.has_sound === undefined ? "–" : status.has_sound ? "yes" : "none",
    "decoded by": status.decoder ?? "–",
    work: effortWord(status.effort?.name ?? "full"),
  };
}
