// The two questions that the page asks: which stream to add, and whether one shall really go.

import { addStream, removeStream } from "./api.js";
import { el, say } from "./dom.js";

/** A form in a dialog. `onDone` is called with the form's data; what it throws is shown, and the dialog stays. */
class Ask {
  #dialog = el("dialog");
  #error = el("p", { class: "error", role: "alert" });
  #yes;

  constructor({ title, fields, yes, kind = "" }, onDone) {
    this.#yes = el("button", { type: "submit", class: `button primary ${kind}`, text: yes });
    const no = el("button", {
      type: "button",
      class: "button",
      text: "Cancel",
      on: { click: () => this.#dialog.close() },
    });
    const form = el("form", { method: "dialog" }, el("h2", { text: title }), ...fields, this.#error);
    form.append(el("div", { class: "actions" }, no, this.#yes));
    form.addEventListener("submit", (event) => this.#submit(event, onDone));
    this.#dialog.append(form);
    this.#dialog.setAttribute("aria-label", title);
    this.#dialog.addEventListener("close", () => this.#dialog.remove());
    document.body.append(this.#dialog);
    this.#dialog.showModal();
  }

  async #submit(event, onDone) {
    event.preventDefault();
    this.#yes.disabled = true;
    say(this.#error, "");
    try {
      await onDone(new FormData(event.target));
      this.#dialog.close();
    } catch (error) {
      say(this.#error, error.message);
    }
    this.#yes.disabled = false;
  }
}

function field(name, label, hint, attributes) {
  const id = `ask-${name}`;
  const input = el("input", {
    id,
    name,
    required: true,
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": `${id}-hint`,
    ...attributes,
  });
  return el(
    "div",
    { class: "field" },
    el("label", { for: id, text: label }),
    input,
    el("p", { class: "quiet", id: `${id}-hint`, text: hint }),
  );
}

/** `onAdded(name)` once the server has it. */
export function askForStream(onAdded) {
  const fields = [
    field("name", "Name", "Shown in the list and part of the stream's address: front-door, for example.", { maxlength: 64 }),
    field("source", "Address", "RTSP, RTMP, SRT, or HLS and MJPEG over HTTP: rtsp://camera.example/stream, for example.", {
      inputmode: "url",
    }),
  ];
  new Ask({ title: "Add a stream", fields, yes: "Add" }, async (data) => {
    const name = data.get("name").trim();
    await addStream(name, data.get("source").trim());
    onAdded(name);
  });
}

/** `onRemoved(name)` once it is gone. */
export function askToRemove(name, onRemoved) {
  const fields = [el("p", { text: `“${name}” ends for everybody who watches it, and leaves the list.` })];
  new Ask({ title: `Remove ${name}?`, fields, yes: "Remove", kind: "danger" }, async () => {
    await removeStream(name);
    onRemoved(name);
  });
}
