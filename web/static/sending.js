// One go at publishing: from the browser's question for the camera to the end.

import { Publisher } from "./whip.js";

/** Events: "state" (`state` changed), "ended" (detail: "video" or "audio", of which the device went away by itself). */
export class Sending extends EventTarget {
  name;
  media = null;
  #publisher = new Publisher();
  #closed = false;

  constructor(name) {
    super();
    this.name = name;
    this.#publisher.addEventListener("state", () => this.dispatchEvent(new Event("state")));
  }

  /** As a Publisher's. */
  get state() {
    return this.#publisher.state;
  }

  /** `wanted` as getUserMedia takes it. Raises what the browser refuses with, and ApiError where the server refuses.
   * Closed meanwhile, it ends with every device off and nothing sent. */
  async open(wanted) {
    this.media = await navigator.mediaDevices.getUserMedia(wanted);
    if (this.#closed) return this.#turnOff();
    for (const track of this.media.getTracks()) track.addEventListener("ended", () => this.#lose(track.kind));
    return this.#publisher.open(this.name, this.media);
  }

  close() {
    this.#closed = true;
    this.#turnOff();
    this.#publisher.close();
  }

  #turnOff() {
    for (const track of this.media?.getTracks() ?? []) track.stop();
  }

  #lose(kind) {
    this.dispatchEvent(new CustomEvent("ended", { detail: kind }));
  }
}
