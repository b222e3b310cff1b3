// What WHIP (RFC 9725) and WHEP have in common: an offer posted, an answer taken, candidates that come late patched in,
// and the session deleted in every ending.

import { call } from "./api.js";

const GATHER_MS = 1000;
const GOODBYE_MS = 2000;

const iceServers = new Map();

/** The ICE servers that an endpoint names in its Link headers (RFC 9725, section 4.6); asked once per endpoint. */
export async function helpersOf(url) {
  if (!iceServers.has(url)) {
    const answer = await call(url, { method: "OPTIONS" });
    iceServers.set(url, parseLinks(answer.headers.get("Link") ?? ""));
  }
  return iceServers.get(url);
}

/** Link headers to RTCIceServer objects. */
export function parseLinks(header) {
  return header
    .split(/,\s*(?=<)/)
    .filter((link) => /rel="?ice-server"?/.test(link))
    .map((link) => ({ urls: link.match(/<([^>]*)>/)[1], ...credentials(link) }));
}

function credentials(link) {
  const username = link.match(/username="([^"]*)"/)?.[1];
  return username === undefined ? {} : { username, credential: link.match(/credential="([^"]*)"/)?.[1] ?? "" };
}

/** One posted session. */
export class Session {
  #pc;
  #url;
  #location = null;
  #etag = null;
  #late = [];
  #closed = false;

  constructor(pc, url) {
    this.#pc = pc;
    this.#url = url;
  }

  /** Offers and takes the answer. Raises ApiError where the server refuses. */
  async open() {
    await this.#pc.setLocalDescription();
    await gathered(this.#pc);
    if (this.#closed) return;
    const offer = this.#pc.localDescription.sdp;
    // From here on a candidate is not in the offer any more.
    this.#pc.addEventListener("icecandidate", ({ candidate }) => this.#trickle(candidate));
    const headers = { "Content-Type": "application/sdp" };
    const response = await call(this.#url, { method: "POST", headers, body: offer });
    this.#location = new URL(response.headers.get("Location"), response.url).href;
    this.#etag = response.headers.get("ETag");
    const answer = await response.text();
    if (this.#closed) return this.#remove();
    await this.#pc.setRemoteDescription({ type: "answer", sdp: answer });
    return this.#flush();
  }

  /** Ends it here and there. May be called twice, and while the page is being left. */
  close() {
    this.#closed = true;
    this.#remove();
  }

  // The connection stays until the server has heard: whoever ends it first makes the session one that isn't there.
  #remove() {
    const location = this.#location;
    this.#location = null;
    if (location === null) return this.#pc.close();
    const signal = AbortSignal.timeout(GOODBYE_MS);
    // A server that is gone needs no goodbye.
    return fetch(location, { method: "DELETE", keepalive: true, signal })
      .catch(() => {})
      .finally(() => this.#pc.close());
  }

  #trickle(candidate) {
    if (!candidate?.candidate) return;
    this.#late.push(candidate);
    if (this.#location !== null) this.#flush();
  }

  async #flush() {
    if (!this.#late.length || this.#location === null) return;
    const body = fragment(this.#pc.localDescription.sdp, this.#late.splice(0));
    const headers = {
      "Content-Type": "application/trickle-ice-sdpfrag",
      ...(this.#etag && { "If-Match": this.#etag }),
    };
    try {
      await call(this.#location, { method: "PATCH", headers, body });
    } catch (error) {
      // Without these candidates the connection may still come about; whether it does, ICE tells.
      console.info(`Late candidates were not taken: ${error.message}`);
    }
  }
}

async function gathered(pc) {
  if (pc.iceGatheringState === "complete") return;
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHER_MS);
    pc.addEventListener("icegatheringstatechange", () => {
      if (pc.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    });
  });
}

// RFC 8840, section 9: the offer's ICE credentials and, for each media line, its mid and the candidates.
function fragment(sdp, candidates) {
  const [session, ...sections] = sdp.split(/\r\n(?=m=)/);
  const ice = [session, ...sections]
    .join("\r\n")
    .match(/a=ice-(?:ufrag|pwd):\S+/g)
    .slice(0, 2);
  const lines = [...ice];
  for (const mid of new Set(candidates.map((candidate) => candidate.sdpMid))) {
    const section = sections.find((text) => text.includes(`a=mid:${mid}\r\n`) || text.endsWith(`a=mid:${mid}`));
    if (section === undefined) continue;
    lines.push(section.split("\r\n")[0], `a=mid:${mid}`);
    for (const one of candidates) if (one.sdpMid === mid) lines.push(`a=${one.candidate}`);
  }
  return `${lines.join("\r\n")}\r\n`;
}
