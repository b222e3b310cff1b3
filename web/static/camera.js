// "Use my camera": this browser's camera and microphone go to the server, and come back enhanced as any other stream.

import { button, el, say } from "./dom.js";
import { Sending } from "./sending.js";

const SIZES = { "640x360": "640 × 360, quickest", "960x540": "960 × 540", "1280x720": "1280 × 720, most detail" };

const REFUSALS = {
  NotAllowedError: "The browser was not allowed to use the camera. Allow it beside the page's address, then try again.",
  NotFoundError: "No camera was found. Connect one, then try again.",
  NotReadableError: "The camera is in use by another program. Close that, then try again.",
  OverconstrainedError: "The camera can't deliver this size. Choose another.",
};

const INSECURE =
  "Browsers give their camera only to pages over https, or from localhost. Open this page by such an address.";

const LOST =
  "The connection to the server was lost, so your camera was turned off. Start it again when the server is back.";
const CAMERA_GONE =
  "Your camera stopped: it was unplugged, or it may not be used any more. Start it again when it is there.";
const MICROPHONE_GONE =
  "Your sound is not sent any more: the microphone was unplugged, or it may not be used any more.";

/** Events: "published" and "stopped" (detail: the stream's name), "change" (of `publishing`). */
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
  #submit = el("button", { type: "submit", class: "button primary", text: "Start" });
  #line = el("p", { role: "status" });
  #warning = el("p", { class: "error", role: "alert" });
  #preview = el("div", { class: "preview" });
  #running;
  #sending = null;

  constructor() {
    super();
    for (const [value, text] of Object.entries(SIZES)) this.#size.append(el("option", { value, text }));
    this.#form = this.#buildForm();
    const stop = button("stop", "Stop my camera", () => this.stop(), { kind: "danger" });
    this.#running = el("div", { class: "running", hidden: true }, this.#preview);
    this.#running.append(this.#line, this.#warning, stop);
    this.element = el(
      "section",
      { class: "camera", hidden: true, "aria-label": "My camera" },
      this.#form,
      this.#running,
    );
  }

  /** The name that is published, or is about to be, or null. */
  get publishing() {
    return this.#sending?.name ?? null;
  }

  // A camera that may be on is never out of sight.
  toggle() {
    this.element.hidden = !this.element.hidden && !this.#sending;
    if (!this.element.hidden) this.#name.focus();
  }

  /** Ends publishing, also while the page is being left. */
  stop() {
    const name = this.publishing;
    const wasSent = !this.#running.hidden;
    this.#release();
    if (wasSent) this.dispatchEvent(new CustomEvent("stopped", { detail: name }));
  }

  /** The stream that is published was removed from the server. */
  removed() {
    this.#fail(`The stream “${this.publishing}” was removed, so your camera was turned off.`);
  }

  #buildForm() {
    const cancel = el("button", {
      type: "button",
      class: "button",
      text: "Cancel",
      on: { click: () => this.#cancel() },
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
      el("div", { class: "actions" }, cancel, this.#submit),
    );
    return form;
  }

  async #start(event) {
    event.preventDefault();
    if (this.#sending) return;
    say(this.#error, "");
    if (!navigator.mediaDevices) return say(this.#error, INSECURE);
    const sending = new Sending(this.#name.value.trim());
    this.#hold(sending);
    try {
      await sending.open(this.#wanted());
    } catch (error) {
      // Nobody waits any more for one that was called off.
      if (sending === this.#sending) this.#fail(REFUSALS[error.name] ?? error.message);
      return;
    }
    if (sending === this.#sending) this.#run(sending);
  }

  #hold(sending) {
    sending.addEventListener("state", () => this.#follow(sending));
    sending.addEventListener("ended", ({ detail }) => this.#lose(sending, detail));
    this.#sending = sending;
    this.#submit.disabled = true;
    this.dispatchEvent(new Event("change"));
  }

  #wanted() {
    const [width, height] = this.#size.value.split("x").map(Number);
    const video = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: 25, max: 30 } };
    const audio = this.#microphone.checked && { echoCancellation: true, noiseSuppression: true };
    return { video, audio };
  }

  #run(sending) {
    this.#mirror(sending.media);
    this.#form.hidden = true;
    this.#running.hidden = false;
    this.#follow(sending);
    this.dispatchEvent(new CustomEvent("published", { detail: sending.name }));
  }

  #mirror(media) {
    const video = el("video", { playsinline: true, autoplay: true, "aria-label": "Your camera, as it is" });
    video.muted = true;
    video.srcObject = media;
    this.#preview.replaceChildren(video);
  }

  #follow(sending) {
    if (sending !== this.#sending) return;
    const words = {
      new: "Connecting your camera",
      connecting: "Connecting your camera: looking for a way",
      connected: `Your camera is sent as “${sending.name}”`,
      disconnected: "Your camera's connection is interrupted",
      failed: "",
      closed: "",
    };
    say(this.#line, words[sending.state]);
    if (["failed", "closed"].includes(sending.state)) this.#fail(LOST);
  }

  #lose(sending, kind) {
    if (sending !== this.#sending) return;
    if (kind === "video") this.#fail(CAMERA_GONE);
    else say(this.#warning, MICROPHONE_GONE);
  }

  #cancel() {
    this.#release();
    this.element.hidden = true;
  }

  #fail(why) {
    this.stop();
    this.element.hidden = false;
    say(this.#error, why);
  }

  #release() {
    const sending = this.#sending;
    this.#sending = null;
    sending?.close();
    this.#preview.replaceChildren();
    say(this.#warning, "");
    this.#form.hidden = false;
    this.#running.hidden = true;
    this.#submit.disabled = false;
    this.dispatchEvent(new Event("change"));
  }
}
