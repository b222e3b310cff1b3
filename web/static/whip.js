// One publishing session: this browser's camera and microphone, sent to a stream.

import { Session, helpersOf } from "./peer.js";

const MAX_KBPS = 3000;
const VIDEO_CODECS = ["video/H264", "video/VP8", "video/rtx"];

/** Event "state": `state` changed. */
export class Publisher extends EventTarget {
  #pc = null;
  #session = null;
  #closed = false;

  get state() {
    return this.#closed ? "closed" : (this.#pc?.connectionState ?? "new");
  }

  /** Sends `media` to the stream `name`. Raises ApiError where the server refuses. */
  async open(name, media) {
    const url = `/whip/${encodeURIComponent(name)}`;
    const iceServers = await helpersOf(url);
    if (this.#closed) return;
    this.#pc = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.#pc.addEventListener("connectionstatechange", () => this.dispatchEvent(new Event("state")));
    this.#session = new Session(this.#pc, url);
    for (const track of media.getTracks()) {
      await this.#send(track, media);
      if (this.#closed) return;
    }
    await this.#session.open();
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#session?.close();
    this.dispatchEvent(new Event("state"));
  }

  async #send(track, media) {
    // An encoding given here is a sender's only way to be configured before it starts.
    const sendEncodings = track.kind === "video" ? [{ maxBitrate: MAX_KBPS * 1000, maxFramerate: 30 }] : [{}];
    const transceiver = this.#pc.addTransceiver(track, { direction: "sendonly", streams: [media], sendEncodings });
    if (track.kind !== "video") return;
    track.contentHint = "motion";
    transceiver.setCodecPreferences?.(preferred());
    await keepResolution(transceiver.sender);
  }
}

// What the server takes, H.264 first, which most machines encode in hardware.
function preferred() {
  const { codecs } = RTCRtpSender.getCapabilities("video");
  return VIDEO_CODECS.flatMap((type) => codecs.filter((codec) => codec.mimeType === type));
}

// By default a browser makes the picture smaller when it is short of bandwidth or time; here details matter most.
async function keepResolution(sender) {
  const parameters = sender.getParameters();
  parameters.degradationPreference = "maintain-resolution";
  try {
    await sender.setParameters(parameters);
  } catch (error) {
    // A browser without this preference sends all the same.
    console.info(`The camera may be sent smaller at times: ${error.message}`);
  }
}
