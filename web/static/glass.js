// Glass to glass: from a picture's capture, as the server tells it, to the moment this screen shows it.

const WINDOW_MS = 5000;

/** Samples of the last five seconds, and their quantiles. */
export class Glass {
  #samples = [];
  #frames = [];
  #unmatched = new Map();
  #book;
  #clock;

  constructor(book, clock) {
    this.#book = book;
    this.#clock = clock;
  }

  /** A picture was shown; `shownAt` in ms of `performance.now()`. Returns its latency in ms, or null while unknown. */
  shown(rtp, shownAt) {
    this.#frames.push(shownAt);
    trim(this.#frames, (time) => shownAt - time > WINDOW_MS);
    const message = rtp === undefined ? null : this.#book.find(rtp);
    if (message) return this.#measure(message, shownAt);
    if (rtp !== undefined) this.#await(rtp, shownAt);
    return null;
  }

  /** A message came; its picture may have been shown before it. */
  told(message) {
    const shownAt = this.#unmatched.get(message.rtp);
    if (shownAt === undefined) return null;
    this.#unmatched.delete(message.rtp);
    return this.#measure(message, shownAt);
  }

  /** The latency in ms that the share `q` of samples lies under; null without samples. */
  quantile(q, now = performance.now()) {
    trim(this.#samples, (sample) => now - sample.at > WINDOW_MS);
    if (!this.#samples.length) return null;
    const sorted = this.#samples.map((sample) => sample.ms).sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  }

  /** Pictures shown a second, over the last two seconds. */
  rate(now = performance.now()) {
    return this.#frames.filter((time) => now - time <= 2000).length / 2;
  }

  clear() {
    this.#samples = [];
    this.#frames = [];
    this.#unmatched.clear();
  }

  #await(rtp, shownAt) {
    this.#unmatched.set(rtp, shownAt);
    if (this.#unmatched.size > 64) this.#unmatched.delete(this.#unmatched.keys().next().value);
  }

  #measure(message, shownAt) {
    const { offset } = this.#clock;
    if (offset === null || typeof message.captured !== "number") return null;
    const ms = shownAt + offset - message.captured;
    this.#samples.push({ at: shownAt, ms });
    return ms;
  }
}

function trim(list, isOld) {
  while (list.length && isOld(list[0])) list.shift();
}
