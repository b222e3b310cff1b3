// The list of streams: each with its state, to be opened and closed, and to be removed.

import { button, el, icon, say } from "./dom.js";
import { stateLine, tone, size } from "./words.js";

/** Events: "toggle" and "remove" (detail: the stream's name). */
export class StreamList extends EventTarget {
  element = el("ul", { class: "streams" });
  #rows = new Map();

  /** `statuses`: by name; `chosen`: names that are open. */
  update(statuses, chosen) {
    for (const [name, row] of this.#rows) if (!statuses.has(name)) this.#drop(name, row);
    for (const status of statuses.values()) this.#row(status).update(status, chosen.has(status.name));
  }

  #drop(name, row) {
    row.element.remove();
    this.#rows.delete(name);
  }

  #row(status) {
    if (!this.#rows.has(status.name)) {
      const row = new Row(status.name, (type) => this.dispatchEvent(new CustomEvent(type, { detail: status.name })));
      this.#rows.set(status.name, row);
      this.element.append(row.element);
    }
    return this.#rows.get(status.name);
  }
}

class Row {
  element;
  #open;
  #mark = el("span", { class: "mark" });
  #line = el("span", { class: "line" });
  #facts = el("span", { class: "quiet" });
  #state = null;

  constructor(name, tell) {
    const words = el("span", { class: "words" }, el("strong", { text: name }), this.#line, this.#facts);
    this.#open = el(
      "button",
      { type: "button", class: "open", on: { click: () => tell("toggle") } },
      this.#mark,
      words,
    );
    const remove = button("remove", `Remove ${name}`, () => tell("remove"), { bare: true });
    this.element = el("li", {}, this.#open, remove);
  }

  update(status, isChosen) {
    if (this.#state !== status.state) {
      this.#state = status.state;
      this.#mark.className = `mark ${tone(status.state)}`;
      this.#mark.replaceChildren(icon(status.state));
    }
    say(this.#line, stateLine(status));
    say(this.#facts, facts(status));
    this.#choose(isChosen);
    this.#open.title = status.source?.address ?? "";
  }

  #choose(isChosen) {
    if (this.#open.getAttribute("aria-pressed") === String(isChosen)) return;
    this.#open.setAttribute("aria-pressed", String(isChosen));
    if (isChosen) this.element.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

function facts(status) {
  const viewers = status.viewers === 1 ? "1 viewer" : `${status.viewers ?? 0} viewers`;
  return status.output_width ? `${size(status.output_width, status.output_height)}, ${viewers}` : viewers;
}
