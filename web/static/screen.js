// The picture: the video, a canvas over it while originals are compared, and a canvas for the overlay.

import { Divider, drawPicture } from "./compare.js";
import { el } from "./dom.js";
import { drawFaces } from "./overlay.js";

const FACES_KEPT_MS = 250;
const POLL_MS = 40;
// Those in which every browser lets a video start.
const GESTURES = ["click", "keydown"];

/** Events: "shown", a picture is on the screen (detail: `rtp` or undefined, `at` in ms of performance.now()); "paused"
 * (`isPaused` may have changed); "covered" (`covered` changed). */
export class Screen extends EventTarget {
  element = el("div", { class: "stage" });
  video = el("video", { playsinline: true, autoplay: true, "aria-label": "Enhanced picture" });
  comparing = false;
  faces = false;
  #book;
  #halves = el("canvas", { class: "halves", hidden: true, "aria-hidden": "true" });
  #overlay = el("canvas", { class: "faces", hidden: true, "aria-hidden": "true" });
  #divider;
  #layout = null;
  #drawnFaces = { at: 0, rtp: null };
  #shape = null;
  #stopped = false;
  #gesture = () => this.isPaused && this.play();

  constructor(book) {
    super();
    this.#book = book;
    // Without sound every browser lets it start by itself; the viewer turns the sound on.
    this.video.muted = true;
    this.#divider = new Divider(this.element, () => this.#redraw());
    this.element.append(this.video, this.#halves, this.#overlay, this.#divider.element);
    this.element.addEventListener("pointerdown", (event) => this.#jump(event));
    for (const type of ["pause", "play"]) this.video.addEventListener(type, () => this.#tell("paused"));
    for (const type of GESTURES) document.addEventListener(type, this.#gesture);
    this.#next();
  }

  show(stream) {
    if (this.video.srcObject !== stream) this.video.srcObject = stream;
    this.play();
  }

  /** Whether there is a picture that the browser did not start, or that something has paused. */
  get isPaused() {
    return this.video.srcObject !== null && this.video.paused && !this.video.ended;
  }

  /** Goes on with the newest picture. */
  play() {
    this.video.play().catch((error) => {
      this.#tell("paused");
      // Another load took its place, which plays in its turn; a refusal stands over the picture.
      if (!["AbortError", "NotAllowedError"].includes(error.name))
        console.warn(`The picture did not start: ${error.message}`);
    });
  }

  /** Whether the video itself is hidden, since its picture is packed or may be. */
  get covered() {
    return !this.#halves.hidden;
  }

  /** The shape that is kept while nothing is shown yet, in pixels; nothing moves when the picture comes. */
  reshape(width, height) {
    if (!width || !height || this.#shape === `${width}/${height}`) return;
    this.#shape = `${width}/${height}`;
    this.element.style.setProperty("--shape", `${width} / ${height}`);
    this.element.style.setProperty("--ratio", String(width / height));
  }

  /** From the first moment the canvas covers the video, so that a packed picture is never seen. */
  compare(on) {
    this.comparing = on;
    if (on && document.pictureInPictureElement === this.video) document.exitPictureInPicture();
    if (on) this.#cover();
  }

  showFaces(on) {
    this.faces = on;
    this.#overlay.hidden = !on;
    if (!on) this.#drawnFaces = { at: 0, rtp: null };
  }

  /** Facts came; they may be of the picture that is on the screen already. */
  told(message) {
    if (this.faces && this.#drawnFaces.rtp === message.rtp) this.#drawFaces(message);
  }

  stop() {
    this.#stopped = true;
    for (const type of GESTURES) document.removeEventListener(type, this.#gesture);
    this.video.srcObject = null;
  }

  #next() {
    if (this.#stopped) return;
    const seen = (now, metadata) => {
      this.#seen(now, metadata);
      this.#next();
    };
    if ("requestVideoFrameCallback" in this.video) this.video.requestVideoFrameCallback(seen);
    else setTimeout(() => seen(performance.now(), sizeOf(this.video)), POLL_MS);
  }

  #seen(now, { rtpTimestamp: rtp, width, height, expectedDisplayTime }) {
    const layout = this.#book.layout(rtp, width, height);
    const [, , shownWidth, shownHeight] = layout?.enhanced ?? [0, 0, width, height];
    const packed = Boolean(layout?.original);
    // While it is unknown how a picture is packed, the last one that was known stays.
    if (layout || !this.comparing) this.#layout = layout;
    if (layout || !this.comparing) this.reshape(shownWidth, shownHeight);
    if (packed || this.comparing) this.#drawHalves(packed);
    else if (layout || this.#book.isEmpty) this.#uncover();
    if (this.faces) this.#follow(rtp, now);
    this.dispatchEvent(new CustomEvent("shown", { detail: { rtp, at: expectedDisplayTime ?? now } }));
  }

  #drawHalves(packed) {
    this.#cover();
    this.#divider.element.hidden = !(packed && this.comparing);
    const split = this.comparing ? this.#divider.split : 0;
    if (this.#layout) drawPicture(this.#halves.getContext("2d"), this.video, this.#layout, split);
  }

  // Between pictures, where the newest one is still the one that the layout is of.
  #redraw() {
    const layout = this.#layout;
    const { videoWidth, videoHeight } = this.video;
    const same = layout?.original && layout.width === videoWidth && layout.height === videoHeight;
    if (same && this.comparing) drawPicture(this.#halves.getContext("2d"), this.video, layout, this.#divider.split);
  }

  #cover() {
    if (!this.#halves.hidden) return;
    const context = this.#halves.getContext("2d", { alpha: false });
    const { videoWidth, videoHeight } = this.video;
    this.#setCovered(true);
    // What is on the screen now is not packed yet: it was uncovered.
    if (videoWidth && !this.#book.layout(undefined, videoWidth, videoHeight)?.original) {
      drawPicture(context, this.video, { enhanced: [0, 0, videoWidth, videoHeight] }, 0);
    }
  }

  #uncover() {
    if (this.covered) this.#setCovered(false);
    this.#divider.element.hidden = true;
  }

  #setCovered(on) {
    this.#halves.hidden = !on;
    this.video.disablePictureInPicture = on;
    this.#tell("covered");
  }

  #tell(type) {
    this.dispatchEvent(new Event(type));
  }

  #follow(rtp, now) {
    const message = this.#book.find(rtp);
    if (message) this.#drawFaces(message);
    else if (now - this.#drawnFaces.at > FACES_KEPT_MS) drawFaces(this.#overlay, []);
    if (rtp !== undefined) this.#drawnFaces.rtp = rtp;
  }

  #drawFaces(message) {
    this.#drawnFaces = { at: performance.now(), rtp: message.rtp };
    drawFaces(this.#overlay, message.facts?.faces ?? []);
  }

  // A click anywhere in a compared picture brings the divider there.
  #jump(event) {
    const divider = this.#divider.element;
    if (divider.hidden || event.target === divider || divider.contains(event.target)) return;
    const box = this.element.getBoundingClientRect();
    this.#divider.move((event.clientX - box.left) / box.width);
    divider.focus({ preventScroll: true });
  }
}

// What a browser without requestVideoFrameCallback lets one know of a picture.
const sizeOf = (video) => ({ width: video.videoWidth, height: video.videoHeight });
