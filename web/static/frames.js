// What the server told of each picture, to be found again by the RTP timestamp of the picture that is really shown.

const KEPT = 256;

export class FrameBook {
  #pictures = new Map();
  #layouts = new Map();
  #newest = null;

  /** Whether nothing at all was ever told: the server has no data channel, or it isn't open yet. */
  get isEmpty() {
    return this.#layouts.size === 0;
  }

  /** A "picture" message. */
  put(message) {
    this.#pictures.set(message.rtp, message);
    if (this.#pictures.size > KEPT) this.#pictures.delete(this.#pictures.keys().next().value);
    const { layout } = message;
    if (layout) this.#layouts.set(`${layout.width}x${layout.height}`, layout);
    this.#newest = message;
  }

  /** The message for this timestamp, or null. Where a browser tells no timestamps, the newest. */
  find(rtp) {
    return (rtp === undefined ? this.#newest : this.#pictures.get(rtp)) ?? null;
  }

  /** The layout of a shown picture. Where its own message was lost, that of an earlier one of the same size. */
  layout(rtp, width, height) {
    const own = rtp === undefined ? null : this.#pictures.get(rtp)?.layout;
    if (own && own.width === width && own.height === height) return own;
    return this.#layouts.get(`${width}x${height}`) ?? null;
  }

  clear() {
    this.#pictures.clear();
    this.#newest = null;
  }
}
