// What the server's fixed words mean to a person.

export const STATES = {
  waiting: "Waiting for a publisher",
  connecting: "Connecting",
  live: "Live",
  stalled: "No picture just now",
  retrying: "Trying again",
  failed: "Failed",
  ended: "Ended",
  unknown: "Server away",
};

export const CAUSES = {
  refused: "connection refused",
  timed_out: "no answer in time",
  not_found: "nothing at this address",
  unauthorised: "name or password wrong",
  codec: "no video that can be decoded",
  closed: "the other side hung up",
  network: "not reachable",
  device: "camera not there or in use",
};

export const EFFORTS = {
  full: "everything asked for",
  light_background: "saving work: the background enlarged more simply",
  light_blending: "saving work: lighter blending",
  seldom_detecting: "saving work: looking for faces less often",
  four_faces: "saving work: at most four faces restored",
  two_faces: "saving work: at most two faces restored",
  one_face: "saving work: at most one face restored",
  background_only: "saving work: no face restored, only enlarged",
};

export const DROPS = {
  superseded: "a newer one came first",
  late: "too late",
  failed: "could not be enhanced",
  source_lost: "its source was gone",
  encoder_busy: "encoder busy",
  encoder_failed: "could not be encoded",
  catching_up: "source catching up",
  unwatched: "nobody watched",
  undecodable: "could not be decoded",
  no_key_frame: "before the first key frame",
  slow_viewer: "viewer too slow",
};

export const MENDED = {
  access_unit_cut: "pictures whose end came too late",
  concealed: "damaged pictures, patched up",
  sound_undecodable: "sound that could not be decoded",
  timestamp_fell: "times that went back",
  timestamp_jump: "times that jumped",
  timestamp_missing: "times that were missing",
};

export const LANES = {
  skip: { word: "left as it is", short: "as it is", color: "rgb(168 168 168)" },
  resize: { word: "enlarged", short: "enlarged", color: "rgb(80 170 255)" },
  transformer: { word: "restored, transformer", short: "transformer", color: "rgb(255 160 30)" },
  frequency: { word: "restored, frequency", short: "frequency", color: "rgb(80 210 110)" },
};

// In the order in which a picture goes through them.
export const STAGES = {
  decode: "decoding",
  queue: "waiting",
  "detect.rgb": "picture for the detector",
  detect: "finding faces",
  track: "following faces",
  gate: "choosing lanes",
  "route.other": "choosing, the rest",
  align: "cutting faces out",
  "expert.resize": "enlarging faces",
  "expert.transformer": "transformer",
  "expert.frequency": "frequency",
  steady: "steadying faces",
  background: "enlarging the picture",
  blend: "blending",
  handover: "handing over",
  encode: "encoding",
};

const plain = (word) => word.replaceAll("_", " ").replaceAll(".", ": ");

export const causeWord = (cause) =>
  CAUSES[cause] ?? (cause && cause !== "none" && cause !== "other" ? plain(cause) : "");
export const effortWord = (name) => EFFORTS[name] ?? `saving work: ${plain(name)}`;
export const dropWord = (reason) => DROPS[reason] ?? plain(reason);
export const mendedWord = (what) => MENDED[what] ?? plain(what);
export const laneWord = (lane) => LANES[lane]?.word ?? plain(lane);
/** Short enough for a label in the picture. */
export const laneTag = (lane) => LANES[lane]?.short ?? plain(lane);
/** The entries of `stages_ms` on their way; stages that nobody knows here come last. */
export const inOrder = (stages) => Object.entries(stages ?? {}).sort(([a], [b]) => place(a) - place(b));
const ORDER = Object.keys(STAGES);
const place = (stage) => (stage in STAGES ? ORDER.indexOf(stage) : ORDER.length);

export const stageWord = (stage) => STAGES[stage] ?? plain(stage);

/** The state of a stream's source as a short line: "Trying again in 4 s: connection refused". To be read aloud, it is
 * `steady`: without seconds that count down. */
export function stateLine(status, { steady = false } = {}) {
  const cause = causeWord(status.cause);
  const counts = status.state === "retrying" && known(status.retry_in_s) && !steady;
  const head = (STATES[status.state] ?? plain(status.state)) + (counts ? ` in ${seconds(status.retry_in_s)}` : "");
  return cause && !["live", "waiting"].includes(status.state) ? `${head}: ${cause}` : head;
}

/** What a person can do about a stream without a picture, or "". `origin`: of the server. */
export function advice(status, origin) {
  if (status.state === "waiting")
    return `Publish to ${origin}/whip/${status.name}, with OBS for example, or use your camera under this name.`;
  if (status.state !== "failed") return "";
  const again = known(status.retry_in_s) ? `It is tried again in ${seconds(status.retry_in_s)}.` : "";
  return `${MENDING[status.cause] ?? ""} ${again}`.trim();
}

const CORRECT = "To correct its address, remove the stream and add it again, or change the server's configuration.";
const MENDING = { not_found: CORRECT, unauthorised: CORRECT };

/** Which of the four colours a state has; the drawing beside it says the same without colour. */
export function tone(state) {
  if (state === "live") return "good";
  if (state === "failed") return "bad";
  return state === "retrying" || state === "stalled" ? "warn" : "calm";
}

/** How the page stands with the server about one stream; see `link.js` for the phases. `steady` as in `stateLine`. */
export function linkLine({ phase, path, retryInS, message }, { steady = false } = {}) {
  const again = `trying again${steady ? "" : ` in ${seconds(retryInS)}`}`;
  const words = {
    asking: "asking the server",
    searching: "looking for a way",
    connected: PATHS[path] ?? "connected",
    interrupted: "interrupted, waiting for it to come back",
    lost: `lost, ${again}`,
    refused: `${withoutAdvice(message) || "refused"}; ${again}`,
    closed: "closed",
  };
  return words[phase];
}

/** What stands in the place of a picture that doesn't come, in one or two sentences; see `linkLine`. */
export function veilLines({ phase, retryInS, message }) {
  const again = `Trying again in ${seconds(retryInS)}.`;
  const lines = {
    asking: ["Asking the server for the picture"],
    searching: ["Looking for a way to the server"],
    connected: [],
    interrupted: ["The connection was interrupted.", "Waiting for it to come back."],
    lost: [sentence(message || "The connection to the server was lost"), again],
    refused: [sentence(withoutAdvice(message) || "The server refused"), again],
    closed: ["Closed"],
  };
  return lines[phase];
}

// The page does so itself, and says when.
const withoutAdvice = (message) => message.replace(/[:;] try again later\.?$/, "");
const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

const PATHS = {
  host: "connected directly",
  prflx: "connected directly",
  srflx: "connected directly, through a router",
  relay: "connected through a relay",
};

/** How like the original a restored face is, as the judge says; "" where nobody judged it. Judges' thresholds lie close
 * to 1, some of them: it takes three digits. */
export const likeness = ({ similarity }) => (known(similarity) ? figure(similarity, 3) : "");
/** The same, and how much of the restoration is laid on, where that is not all. */
export function likenessLine(face) {
  const like = likeness(face);
  return like && face.strength < 0.995 ? `${like}, ${Math.round(100 * face.strength)} % laid on` : like;
}

export const seconds = (value) => `${Math.max(1, Math.round(value))} s`;
export const milliseconds = (value) => (known(value) ? `${Math.round(value)} ms` : "–");
export const figure = (value, digits = 0) => (known(value) ? value.toFixed(digits) : "–");
export const size = (width, height) => (width && height ? `${width} × ${height}` : "–");

export const known = (value) => typeof value === "number" && Number.isFinite(value);
