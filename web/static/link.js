// Keeps one viewing session up: opens it, watches it, and opens another when it is lost, less and less often.

import { Viewer } from "./whep.js";

const FIRST_RETRY_S = 1;
const LAST_RETRY_S = 15;
const INTERRUPTED_MS = 4000;
const SILENT_MS = 8000;
const OPENING_MS = 10000;

/**
 * Phases: "asking" (HTTP), "searching" (ICE and DTLS), "connected", "interrupted" (may come back by itself), "lost" and
 * "refused" (will be tried again), "closed". Events: "change" (a phase, or the seconds to the next try), "viewer"
 * (another session), "second" (once a second while connected; detail: packets `lost` so far, ms `held` by the browser).
 */
export class Link extends EventTarget {
  phase = "asking";
  message = "";
  path = null;
  viewer = null;
  #name;
  #clock;
  #failures = 0;
  #retryAt = null;
  #ticker;
  #since = performance.now();
  #traffic = { bytes: 0, at: 0 };
  #buffered = { delay: 0, count: 0 };
  #online = () => this.retryNow();

  constructor(name, clock) {
    super();
    this.#name = name;
    this.#clock = clock;
    window.addEventListener("online", this.#online);
    this.#ticker = setInterval(() => this.#tick(), 1000);
  }

  /** Seconds to the next try, 0 where none is planned. */
  get retryInS() {
    return this.#retryAt === null ? 0 : Math.max(0, (this.#retryAt - performance.now()) / 1000);
  }

  start() {
    this.#retryAt = null;
    this.#become("asking");
    const viewer = new Viewer(this.#clock);
    this.viewer = viewer;
    viewer.addEventListener("state", () => viewer === this.viewer && this.#follow());
    this.dispatchEvent(new Event("viewer"));
    this.#open(viewer);
  }

  /** The next try now, if one is waited for. */
  retryNow() {
    if (this.#retryAt !== null) this.start();
  }

  close() {
    clearInterval(this.#ticker);
    window.removeEventListener("online", this.#online);
    this.#retryAt = null;
    this.#become("closed");
    this.viewer?.close();
  }

  async #open(viewer) {
    try {
      await viewer.open(this.#name);
      if (viewer === this.viewer && this.phase === "asking") this.#become("searching");
    } catch (error) {
      if (viewer !== this.viewer || this.phase === "closed") return;
      if (error.status > 0) this.#giveUp("refused", error.message, error.retryAfterS);
      else this.#giveUp("lost", error.message);
    }
  }

  #follow() {
    const { state } = this.viewer;
    if (state === "connected") this.#arrive();
    else if (state === "disconnected") this.#become("interrupted");
    else if (state === "failed") this.#giveUp("lost");
  }

  #arrive() {
    this.#failures = 0;
    this.#traffic = { bytes: 0, at: performance.now() };
    this.#buffered = { delay: 0, count: 0 };
    this.#become("connected");
  }

  #giveUp(phase, message = "", wishedS = null) {
    this.viewer.close();
    const growing = Math.min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** this.#failures);
    this.#failures += 1;
    // Not all viewers of a server that comes back should knock at the same moment.
    const waitS = Math.max(wishedS ?? 0, growing * (0.8 + 0.4 * Math.random()));
    this.#retryAt = performance.now() + waitS * 1000;
    this.#become(phase, message);
  }

  #become(phase, message = "") {
    if (this.phase === "closed") return;
    this.phase = phase;
    this.message = message;
    this.#since = performance.now();
    if (phase !== "connected") this.path = null;
    this.#change();
  }

  #tick() {
    const now = performance.now();
    if (this.#retryAt !== null) {
      if (now >= this.#retryAt) this.start();
      else this.#change();
    } else if (this.phase === "interrupted" && now - this.#since > INTERRUPTED_MS) this.#giveUp("lost");
    else if (this.phase === "searching" && now - this.#since > OPENING_MS) this.#giveUp("lost");
    else if (this.phase === "connected") this.#listen();
  }

  async #listen() {
    const { viewer } = this;
    const stats = digest(await viewer.stats());
    if (viewer !== this.viewer || this.phase !== "connected") return;
    const now = performance.now();
    if (stats.bytes !== this.#traffic.bytes) this.#traffic = { bytes: stats.bytes, at: now };
    // Even a stream that waits for its source sends pictures of that; silence means that the server is gone.
    if (now - this.#traffic.at > SILENT_MS) return this.#giveUp("lost");
    this.path = stats.path;
    this.#change();
    this.dispatchEvent(new CustomEvent("second", { detail: { lost: stats.lost, held: this.#held(stats) } }));
  }

  // How long the browser kept the last second's pictures back, to smooth and to synchronise, in ms.
  #held({ delay, count }) {
    const before = this.#buffered;
    this.#buffered = { delay, count };
    return count > before.count ? (1000 * (delay - before.delay)) / (count - before.count) : null;
  }

  #change() {
    this.dispatchEvent(new Event("change"));
  }
}

/** Of an RTCStatsReport, of the video so far: bytes, packets lost, seconds that pictures were kept back and how many;
 * and the kind of path. */
function digest(report) {
  const found = { bytes: 0, lost: 0, delay: 0, count: 0, path: null };
  for (const one of report.values()) {
    if (one.type === "inbound-rtp" && one.kind === "video") {
      found.bytes = one.bytesReceived ?? 0;
      found.lost = one.packetsLost ?? 0;
      found.delay = one.jitterBufferDelay ?? 0;
      found.count = one.jitterBufferEmittedCount ?? 0;
    }
    const pair = one.type === "transport" ? one.selectedCandidatePairId : undefined;
    if (pair) found.path = pathOf(report, pair);
  }
  return found;
}

function pathOf(report, pairId) {
  const pair = report.get(pairId);
  const types = [pair?.localCandidateId, pair?.remoteCandidateId].map((id) => report.get(id)?.candidateType);
  return ["relay", "srflx"].find((type) => types.includes(type)) ?? types[0] ?? null;
}
