// One chosen stream: its picture, its controls, its state and its figures.

import { Clock } from "./clock.js";
import { announce, button, el, icon, relabel, say } from "./dom.js";
import { FrameBook } from "./frames.js";
import { Glass } from "./glass.js";
import { Link } from "./link.js";
import { Panel, legend } from "./panel.js";
import { Places } from "./places.js";
import { Screen } from "./screen.js";
import { Veil } from "./veil.js";
import { advice, linkLine, stateLine, tone, veilLines } from "./words.js";

const REPORT_MS = 400;

/** Events: "close" (the viewer wants it gone), "status" (detail: a newer status of its stream). */
export class Player extends EventTarget {
  element;
  #name;
  #status;
  #clock = new Clock();
  #book = new FrameBook();
  #glass = new Glass(this.#book, this.#clock);
  #screen = new Screen(this.#book);
  #panel = new Panel();
  #link;
  #network = { lost: 0, held: null };
  #reportedAt = 0;
  #removed = false;
  #spoken = "";
  #state = el("p", { class: "state" });
  #notice = el("p", { class: "notice" });
  #advice = el("p", { class: "note" });
  #veil = new Veil(
    () => this.retryNow(),
    () => this.#screen.play(),
  );
  #whole = el("div", { class: "whole" });
  #places = new Places(this.#whole, this.#screen, (text) => say(this.#notice, text));
  #buttons = {};
  #legend = legend();

  /** `ownCamera`: it is said why sound is off: it would go out of the loudspeakers into the microphone again. */
  constructor(status, { ownCamera = false } = {}) {
    super();
    this.#name = status.name;
    this.#status = status;
    this.#link = new Link(this.#name, this.#clock);
    this.#build(ownCamera);
    this.#attend();
    this.update(status);
    this.#link.start();
  }

  /** A newer status. */
  update(status) {
    this.#status = status;
    this.#removed = false;
    this.#screen.reshape(status.output_width, status.output_height);
    this.#refresh();
  }

  /** The stream was removed from the server. */
  gone() {
    if (this.#removed) return;
    this.#removed = true;
    this.#link.close();
    this.#refresh();
  }

  get isRemoved() {
    return this.#removed;
  }

  retryNow() {
    this.#link.retryNow();
  }

  close() {
    this.#link.close();
    this.#screen.stop();
    this.element.remove();
  }

  #build(ownCamera) {
    const title = el("h2", { text: this.#name, id: `player-${this.#name}` });
    const end = button("close", `Close ${this.#name}`, () => this.dispatchEvent(new Event("close")), { bare: true });
    const head = el("header", {}, title, this.#state, end);
    this.#screen.element.append(this.#veil.element);
    this.#whole.append(el("div", { class: "frame" }, this.#screen.element), this.#controls());
    this.#legend.hidden = true;
    const note = ownCamera ? "Your own sound is muted, or you would hear your echo. Unmute it with headphones." : "";
    const foot = el("div", { class: "foot" }, this.#panel.headline, this.#panel.effort);
    foot.append(this.#notice, this.#advice, this.#legend, el("p", { class: "note", text: note }));
    this.element = el("article", { class: "player", "aria-labelledby": title.id });
    this.element.append(head, this.#whole, foot, this.#panel.element);
  }

  #controls() {
    const buttons = this.#buttons;
    buttons.sound = button("muted", "Unmute", () => this.#toggleSound(), { kind: "sound" });
    buttons.compare = button("compare", "Compare", () => this.#toggleCompare());
    buttons.faces = button("faces", "Faces", () => this.#toggleFaces());
    for (const name of ["compare", "faces"]) press(buttons[name], false);
    const { sound, compare, faces } = buttons;
    const { pip, full } = this.#places;
    return el("div", { class: "controls" }, sound, compare, faces, el("span", { class: "gap" }), pip, full);
  }

  #attend() {
    this.#link.addEventListener("change", () => this.#refresh());
    this.#link.addEventListener("second", ({ detail }) => (this.#network = detail));
    this.#link.addEventListener("viewer", () => this.#meet(this.#link.viewer));
    this.#screen.addEventListener("shown", ({ detail }) => this.#shown(detail));
    this.#screen.addEventListener("paused", () => this.#refresh());
    this.#screen.video.addEventListener("volumechange", () => this.#showSound());
    const timer = setInterval(() => {
      if (!this.element.isConnected) return clearInterval(timer);
      return this.#panel.second(this.#measured());
    }, 1000);
  }

  #meet(viewer) {
    this.#book.clear();
    this.#glass.clear();
    viewer.addEventListener("media", () => this.#screen.show(viewer.stream));
    viewer.addEventListener("message", ({ detail }) => this.#hear(viewer, detail));
    viewer.addEventListener("open", () => this.#choose(viewer));
  }

  #hear(viewer, message) {
    if (viewer !== this.#link.viewer) return;
    if (message.type === "status") this.dispatchEvent(new CustomEvent("status", { detail: message.status }));
    if (message.type !== "picture") return;
    this.#book.put(message);
    this.#screen.told(message);
    this.#report(message.rtp, this.#glass.told(message));
  }

  #shown({ rtp, at }) {
    this.#report(rtp, this.#glass.shown(rtp, at));
  }

  #report(rtp, glassMs) {
    const now = performance.now();
    // A slate that is shown while the source is away has no latency worth telling.
    if (glassMs === null || this.#status.state !== "live" || now - this.#reportedAt < REPORT_MS) return;
    this.#reportedAt = now;
    this.#link.viewer.send({ type: "shown", rtp, glass_ms: glassMs });
  }

  // The channel doesn't promise to deliver, so what was chosen is said again until pictures show that it was heard.
  #choose(viewer, triesLeft = 8) {
    if (viewer !== this.#link.viewer || triesLeft === 0) return;
    const wanted = this.#screen.comparing ? "compare" : "enhanced";
    if ((this.#book.find()?.rendition ?? "enhanced") === wanted) return;
    viewer.send({ type: "choose", rendition: wanted });
    setTimeout(() => this.#choose(viewer, triesLeft - 1), 500);
  }

  #measured() {
    const isLive = this.#status.state === "live";
    const [glassP50, glassP95] = [0.5, 0.95].map((share) => (isLive ? this.#glass.quantile(share) : null));
    const faces = this.#book.find()?.facts?.faces ?? [];
    return { glassP50, glassP95, faces, fps: this.#glass.rate(), roundTrip: this.#clock.roundTrip, ...this.#network };
  }

  #refresh() {
    const status = this.#status;
    if (this.#state.dataset.state !== status.state) {
      this.#state.dataset.state = status.state;
      this.#state.replaceChildren(icon(status.state), el("span"));
      this.#state.className = `state ${tone(status.state)}`;
    }
    say(this.#state.lastElementChild, stateLine(status));
    this.#explain();
    this.#cover();
    this.#speak();
    this.#showSound();
    this.#panel.update(status, this.#measured(), this.#link);
  }

  #cover() {
    const { phase } = this.#link;
    if (this.#removed) this.#veil.show(["This stream was removed."]);
    else if (this.#isPaused) this.#veil.show(["The browser has paused the picture."], { canPlay: true });
    else this.#veil.show(veilLines(this.#link), { canRetry: ["lost", "refused"].includes(phase) });
  }

  get #isPaused() {
    return this.#link.phase === "connected" && this.#screen.isPaused;
  }

  // While there is no picture its figures mean nothing; why there is none takes their place.
  #explain() {
    const status = this.#status;
    const isLive = status.state === "live";
    const isSilent = isLive || this.#removed || status.state === "unknown";
    const hasPicture = isLive && this.#link.phase === "connected" && !this.#isPaused;
    this.#panel.headline.hidden = !hasPicture;
    this.#panel.effort.hidden = !hasPicture;
    say(this.#notice, isSilent ? "" : status.message || stateLine(status));
    say(this.#advice, this.#removed ? "" : advice(status, location.origin));
  }

  #speak() {
    const steady = { steady: true };
    const link = this.#isPaused ? "paused by the browser" : linkLine(this.#link, steady);
    const state = this.#removed ? "removed" : `${stateLine(this.#status, steady)}; ${link}`;
    if (state === this.#spoken) return;
    this.#spoken = state;
    announce(`${this.#name}: ${state}`);
  }

  #toggleSound() {
    this.#screen.video.muted = !this.#screen.video.muted;
  }

  #showSound() {
    const { sound } = this.#buttons;
    const { muted } = this.#screen.video;
    const isSilent = this.#status.has_sound === false;
    relabel(sound, muted || isSilent ? "muted" : "sound", isSilent ? "No sound" : muted ? "Unmute" : "Mute");
    sound.disabled = isSilent;
    sound.classList.toggle("waiting", muted && !isSilent);
  }

  #toggleCompare() {
    const on = !this.#screen.comparing;
    this.#screen.compare(on);
    press(this.#buttons.compare, on);
    this.#choose(this.#link.viewer);
  }

  #toggleFaces() {
    const on = !this.#screen.faces;
    this.#screen.showFaces(on);
    press(this.#buttons.faces, on);
    this.#legend.hidden = !on;
  }
}

function press(button, on) {
  button.setAttribute("aria-pressed", String(on));
}
