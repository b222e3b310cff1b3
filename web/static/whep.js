// One viewing session: picture, sound and the data channel of one stream.

import { Session, helpersOf } from "./peer.js";

const PING_MS = 1000;
const FIRST_PINGS = 8;
const FIRST_PING_MS = 60;

/**
 * Events: "message" (detail: a message of the data channel), "open" (of the data channel), "state" (`state` changed),
 * "media" (`stream` has a track more).
 */
export class Viewer extends EventTarget {
  stream = new MediaStream();
  #pc = null;
  #session = null;
  #channel = null;
  #clock;
  #pinger = null;
  #closed = false;

  constructor(clock) {
    super();
    this.#clock = clock;
  }

  /** "new", "connecting", "connected", "disconnected", "failed" or "closed". */
  get state() {
    return this.#closed ? "closed" : (this.#pc?.connectionState ?? "new");
  }

  /** Raises ApiError where the server refuses. */
  async open(name) {
    const url = `/whep/${encodeURIComponent(name)}`;
    const iceServers = await helpersOf(url);
    if (this.#closed) return;
    this.#pc = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.#pc.addEventListener("track", (event) => this.#take(event));
    this.#pc.addEventListener("connectionstatechange", () => this.#tell("state"));
    this.#receive();
    // The newest word is worth more than every word: what was lost is not sent again.
    this.#attend(this.#pc.createDataChannel("facelane", { ordered: false, maxRetransmits: 0 }));
    this.#session = new Session(this.#pc, url);
    await this.#session.open();
  }

  send(message) {
    if (this.#channel?.readyState === "open") this.#channel.send(JSON.stringify(message));
  }

  stats() {
    return this.#pc.getStats();
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#pinger);
    this.#session?.close();
    this.#tell("state");
  }

  #receive() {
    for (const kind of ["video", "audio"]) {
      const { receiver } = this.#pc.addTransceiver(kind, { direction: "recvonly" });
      // Ask for the shortest delay on both alike; the browser itself then delays one to keep in step with the other.
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
      else if ("playoutDelayHint" in receiver) receiver.playoutDelayHint = 0;
    }
  }

  #take({ track }) {
    this.stream.addTrack(track);
    this.#tell("media");
  }

  #attend(channel) {
    this.#channel = channel;
    channel.addEventListener("message", ({ data }) => this.#hear(JSON.parse(data)));
    channel.addEventListener("open", () => {
      this.#ping(0);
      this.#tell("open");
    });
  }

  #hear(message) {
    if (message.type === "pong") this.#clock.pong(message);
    else this.dispatchEvent(new CustomEvent("message", { detail: message }));
  }

  // Quickly at first, so that the offset is known within half a second.
  #ping(count) {
    if (this.#closed) return;
    this.send(this.#clock.ping());
    this.#pinger = setTimeout(() => this.#ping(count + 1), count < FIRST_PINGS ? FIRST_PING_MS : PING_MS);
  }

  #tell(type) {
    this.dispatchEvent(new Event(type));
  }
}
