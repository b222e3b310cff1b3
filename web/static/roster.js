// All streams as the server last told of them, asked for again and again while the page is seen.

import { listStreams } from "./api.js";

const SEEN_MS = 1000;
const HIDDEN_MS = 5000;
const LOST_MS = [1000, 2000, 4000, 8000];

/** Event "change". */
export class Roster extends EventTarget {
  streams = new Map();
  error = null;
  loaded = false;
  #timer = null;
  #failures = 0;
  #retryAt = 0;
  #asked = 0;

  start() {
    document.addEventListener("visibilitychange", () => !document.hidden && this.refresh());
    window.addEventListener("online", () => this.refresh());
    return this.refresh();
  }

  /** Seconds to the next try while the server can't be reached. */
  get retryInS() {
    return Math.max(0, (this.#retryAt - performance.now()) / 1000);
  }

  async refresh() {
    clearTimeout(this.#timer);
    this.#asked += 1;
    const asked = this.#asked;
    const answer = await listStreams().catch((error) => error);
    // Whoever asked later knows more.
    if (asked !== this.#asked) return;
    if (answer instanceof Error) {
      this.error = answer;
      this.#failures += 1;
    } else this.#take(answer);
    const wait = this.#wait();
    this.#retryAt = performance.now() + wait;
    this.#timer = setTimeout(() => this.refresh(), wait);
    this.dispatchEvent(new Event("change"));
  }

  /** A newer status of one stream. */
  put(status) {
    if (!this.streams.has(status.name)) return;
    this.streams.set(status.name, status);
    this.dispatchEvent(new Event("change"));
  }

  #take(statuses) {
    this.streams = new Map(statuses.map((status) => [status.name, status]));
    this.error = null;
    this.loaded = true;
    this.#failures = 0;
  }

  #wait() {
    if (this.#failures) return LOST_MS[Math.min(this.#failures, LOST_MS.length) - 1];
    return document.hidden ? HIDDEN_MS : SEEN_MS;
  }
}
