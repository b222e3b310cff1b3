// The server's clock as seen from here, as NTP finds it (RFC 5905, section 8): of the last pings, the one with the
// shortest way there and back is disturbed least, and its offset is taken.

const KEPT = 24;

export class Clock {
  #samples = [];
  #sent = new Map();
  #nextId = 1;

  /** Milliseconds to add to `performance.now()` for the server's clock; null before the first answer. */
  get offset() {
    return this.#best()?.offset ?? null;
  }

  /** The shortest way there and back of late, in ms, or null. */
  get roundTrip() {
    return this.#best()?.roundTrip ?? null;
  }

  /** A ping to send. */
  ping(now = performance.now()) {
    const id = this.#nextId++;
    this.#sent.set(id, now);
    if (this.#sent.size > KEPT) this.#sent.delete(this.#sent.keys().next().value);
    return { type: "ping", id, client: now };
  }

  /** The answer to one of these pings; others, and second answers, count for nothing. */
  pong(message, now = performance.now()) {
    const sent = this.#sent.get(message.id);
    if (sent === undefined) return;
    this.#sent.delete(message.id);
    const roundTrip = now - sent - (message.server_sent - message.server_received);
    const offset = (message.server_received - sent + (message.server_sent - now)) / 2;
    this.#samples.push({ roundTrip, offset });
    if (this.#samples.length > KEPT) this.#samples.shift();
  }

  #best() {
    let best = null;
    for (const sample of this.#samples) if (best === null || sample.roundTrip < best.roundTrip) best = sample;
    return best;
  }
}
