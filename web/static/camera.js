// "Use my camera": this browser's camera and microphone go to the server, and come back enhanced as any other stream.

import { button, el, say } from "./dom.js";
import { Publisher } from "./whip.js";

const SIZES = { "640x360": "640 × 360, quickest", "960x540": "960 × 540", "1280x720": "1280 × 720, most detail" };

const REFUSALS = {
  NotAllowedError: "The browser was not allowed to use the camera. Allow it beside the page's address, then try again.",
  NotFoundError: "No camera was found. Connect one, then try again.",
  NotReadableError: "The camera is in use by another program. Close that, then try again.",
  OverconstrainedError: "The camera can't deliver this size. Choose another.",
};

const INSECURE =
  "Browsers give their camera only to pages over https, or from localhost. Open this page by such an address.";

/** Events: "published" and "stopped" (detail: the stream's name). */
export class CameraPanel extends EventTarget {
  element;
  #form;
  #name = el("input", {
    id: "camera-name",
    required: true,
    maxlength: 64,
    autocomplete: "off",
    spellcheck: "false",
    value: "my-camera",
  });
  #size = el("select", { id: "camera-size" });
  #microphone = el("input", { type: "checkbox", id: "camera-sound", checked: true });
  #error = el("p", { class: "error", role: "alert" });
  #line = el("p", { role: "status" });
  #preview = el("div", { class: "preview" });
  #running;
  #publisher = null;
  #media = null;

  constructor() {
    super();
    for (const [value, text] of Object.entries(SIZES)) this.#size.append(el("option", { value, text }));
    this.#form = this.#buildForm();
    const stop = button("stop", "Stop my camera", () => this.stop(), { kind: "danger" });
    this.#running = el("div", { class: "running", hidden: true }, this.#preview);
    this.#running.append(this.#line, stop);
    this.element = el(
      "section",
      { class: "camera", hidden: true, "aria-label": "My camera" },
      this.#form,
      this.#running,
    );
  }

  /** The name that is published, or null. */
  get publishing() {
    return this.#publisher && this.#name.value.trim();
  }

  toggle() {
    if (this.#publisher) return;
    this.element.hidden = !this.element.hidden;
    if (!this.element.hidden) this.#name.focus();
  }

  /** Ends publishing, also while the page is being left. */
  stop() {
    const name = this.publishing;
    this.#release();
    if (name) this.dispatchEvent(new CustomEvent("stopped", { detail: name }));
  }

  #buildForm() {
    const go = el("button", { type: "submit", class: "button primary", text: "Start" });
    const cancel = el("button", {
      type: "button",
      class: "button",
      text: "Cancel",
      on: { click: () => this.toggle() },
    });
    const form = el("form", { on: { submit: (event) => this.#start(event) } }, el("h2", { text: "Use my camera" }));
    const name = el(
      "div",
      { class: "field" },
      el("label", { for: "camera-name", text: "Name of the stream" }),
      this.#name,
    );
    const size = el("div", { class: "field" }, el("label", { for: "camera-size", text: "Size" }), this.#size);
    const sound = el("label", { class: "check" }, this.#microphone, "Send my sound too");
    form.append(
      el("div", { class: "fields" }, name, size, sound),
      this.#error,
      el("div", { class: "actions" }, cancel, go),
    );
    return form;
  }

  async #start(event) {
    event.preventDefault();
    const submit = event.submitter;
    if (submit) submit.disabled = true;
    say(this.#error, "");
    try {
      await this.#publish(this.#name.value.trim());
    } catch (error) {
      this.#release();
      say(this.#error, REFUSALS[error.name] ?? error.message);
    }
    if (submit) submit.disabled = false;
  }

  async #publish(name) {
    if (!navigator.mediaDevices) throw new Error(INSECURE);
    this.#media = await this.#open();
    this.#publisher = new Publisher();
    this.#publisher.addEventListener("state", () => this.#follow());
    await this.#publisher.open(name, this.#media);
    this.#mirror();
    this.#form.hidden = true;
    this.#running.hidden = false;
    this.#follow();
    this.dispatchEvent(new CustomEvent("published", { detail: name }));
  }

  #open() {
    const [width, height] = this.#size.value.split("x").map(Number);
    const video = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: 25, max: 30 } };
    const audio = this.#microphone.checked && { echoCancellation: true, noiseSuppression: true };
    return navigator.mediaDevices.getUserMedia({ video, audio });
  }

  #mirror() {
    const video = el("video", { playsinline: true, autoplay: true, "aria-label": "Your camera, as it is" });
    video.muted = true;
    video.srcObject = this.#media;
    this.#preview.replaceChildren(video);
  }

  #follow() {
    const words = {
      new: "Connecting your camera",
      connecting: "Connecting your camera: looking for a way",
      connected: `Your camera is sent as “${this.publishing}”`,
      disconnected: "Your camera's connection is interrupted",
      failed: "",
      closed: "",
    };
    const state = this.#publisher?.state ?? "closed";
    say(this.#line, words[state]);
    if (state !== "failed") return;
    this.stop();
    this.element.hidden = false;
    say(
      this.#error,
      "The connection to the server was lost, so your camera was turned off. Start it again when the server is back.",
    );
  }

  #release() {
    const publisher = this.#publisher;
    this.#publisher = null;
    publisher?.close();
    for (const track of this.#media?.getTracks() ?? []) track.stop();
    this.#media = null;
    this.#preview.replaceChildren();
    this.#form.hidden = false;
    this.#running.hidden = true;
  }
}
