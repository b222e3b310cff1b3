// The page: the list, the players of the chosen streams, the camera, and what is said while the server is away.

import { CameraPanel } from "./camera.js";
import { askForStream, askToRemove } from "./dialogs.js";
import { announce, button, el, say } from "./dom.js";
import { Player } from "./player.js";
import { Roster } from "./roster.js";
import { StreamList } from "./streams.js";
import { seconds } from "./words.js";

const CHECK = "If it stays away, see that Facelane is running there and that this device has its network.";

class Page {
  #roster = new Roster();
  #list = new StreamList();
  #camera = new CameraPanel();
  #players = new Map();
  #chosen = chosenBefore();
  #nav = document.getElementById("list");
  #grid = document.getElementById("players");
  #banner = document.getElementById("banner");
  #first = document.getElementById("first-steps");
  #pick = document.getElementById("pick");
  #away = false;
  #published = null;
  #adder = button("plus", "Add a stream", () => this.#add());
  #opener = button("camera", "Use my camera", () => this.#camera.toggle(), { kind: "primary" });

  start() {
    document.getElementById("actions").append(this.#opener, this.#adder);
    this.#nav.append(this.#list.element);
    document.getElementById("camera").append(this.#camera.element);
    this.#attend();
    this.#roster.start();
    setInterval(() => this.#sayReach(), 1000);
  }

  #attend() {
    this.#roster.addEventListener("change", () => this.#show());
    this.#list.addEventListener("toggle", ({ detail }) => this.#toggle(detail));
    this.#list.addEventListener("remove", ({ detail }) => askToRemove(detail, () => this.#removed(detail)));
    this.#camera.addEventListener("published", ({ detail }) => this.#choose(detail));
    this.#camera.addEventListener("stopped", ({ detail }) => this.#unchoose(detail));
    this.#camera.addEventListener("change", () => this.#sayReach());
    window.addEventListener("hashchange", () => this.#follow());
    window.addEventListener("pagehide", () => this.#leave());
    // Out of the browser's cache the page comes back as it was left, with everything closed.
    window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  }

  #show() {
    const { loaded, error } = this.#roster;
    const streams = error === null ? this.#roster.streams : unknown(this.#roster.streams);
    if (loaded && this.#chosen === null) this.#chosen = firstOf(streams);
    this.#keepCamera(streams);
    if (loaded) this.#arrange(streams);
    this.#list.update(streams, this.#chosen ?? new Set());
    this.#first.hidden = !loaded || streams.size > 0;
    this.#nav.hidden = streams.size === 0;
    this.#pick.hidden = !loaded || streams.size === 0 || this.#players.size > 0;
    document.body.classList.toggle("away", error !== null);
    this.#sayReach();
  }

  // A stream that was there and is gone was removed; one that is about to be published may not be there yet.
  #keepCamera(streams) {
    const { publishing } = this.#camera;
    const wasThere = publishing !== null && this.#published === publishing;
    this.#published = streams.has(publishing) ? publishing : null;
    if (wasThere && !this.#published) this.#camera.removed();
  }

  #sayReach() {
    const { error, retryInS } = this.#roster;
    const isAway = error !== null;
    say(this.#banner, isAway ? `${error.message} Trying again in ${seconds(retryInS)}. ${CHECK}` : "");
    this.#banner.hidden = !isAway;
    this.#opener.disabled = isAway || this.#camera.publishing !== null;
    this.#adder.disabled = isAway;
    if (isAway && !this.#away) announce(error.message);
    // Whoever waits for the next try learns here that it can be now.
    if (!isAway && this.#away) for (const player of this.#players.values()) player.retryNow();
    this.#away = isAway;
  }

  #arrange(streams) {
    for (const [name, player] of this.#players) if (!this.#chosen.has(name)) this.#shut(name, player);
    for (const name of this.#chosen) this.#keep(name, streams.get(name));
    this.#grid.dataset.count = String(this.#players.size);
  }

  #keep(name, status) {
    const player = this.#players.get(name);
    if (!status) return player?.gone();
    if (player && !player.isRemoved) return player.update(status);
    if (player) this.#shut(name, player);
    return this.#open(name, status);
  }

  #open(name, status) {
    const ownCamera = this.#camera.publishing === name;
    const player = new Player(status, { ownCamera });
    player.addEventListener("close", () => this.#unchoose(name));
    player.addEventListener("status", ({ detail }) => this.#roster.put(detail));
    this.#players.set(name, player);
    if (ownCamera) this.#grid.prepend(player.element);
    else this.#grid.append(player.element);
  }

  #shut(name, player) {
    player.close();
    this.#players.delete(name);
  }

  #add() {
    askForStream((name) => this.#choose(name));
  }

  #removed(name) {
    this.#unchoose(name);
    this.#roster.refresh();
  }

  #toggle(name) {
    if (this.#chosen.has(name)) this.#unchoose(name);
    else this.#choose(name);
  }

  #choose(name) {
    this.#chosen = new Set([...(this.#chosen ?? []), name]);
    this.#keepChosen();
    this.#roster.refresh();
  }

  #unchoose(name) {
    if (this.#camera.publishing === name) this.#camera.stop();
    this.#chosen.delete(name);
    this.#keepChosen();
    this.#show();
  }

  // In the address, so that a link or a reload shows the same streams.
  #keepChosen() {
    history.replaceState(null, "", `#watch=${[...this.#chosen].map(encodeURIComponent).join(",")}`);
  }

  #follow() {
    this.#chosen = chosenBefore() ?? this.#chosen;
    this.#show();
  }

  #leave() {
    this.#camera.stop();
    for (const [name, player] of this.#players) this.#shut(name, player);
  }
}

/** The streams that the address names, or null where it names none. */
function chosenBefore() {
  const match = location.hash.match(/^#watch=(.*)$/);
  return match && new Set(match[1].split(",").flatMap(decoded).filter(Boolean));
}

// What cannot be decoded was cut or mistyped, and names nothing.
function decoded(name) {
  try {
    return [decodeURIComponent(name)];
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return [];
  }
}

/** What was last told, less what may have changed since. */
function unknown(streams) {
  const aged = (status) => ({ ...status, state: "unknown", cause: "none", message: "" });
  return new Map([...streams].map(([name, status]) => [name, aged(status)]));
}

/** Who comes without a choice sees something at once: the first that is live, else the first. */
function firstOf(streams) {
  const live = [...streams.values()].find((status) => status.state === "live") ?? streams.values().next().value;
  return new Set(live ? [live.name] : []);
}

document
  .getElementById("first-steps")
  .append(
    el("h2", { text: "No streams yet" }),
    el("p", { text: "Give Facelane something to look at; any of these will do:" }),
    el(
      "ul",
      {},
      el("li", {}, el("strong", { text: "Use my camera" }), " sends this browser's own camera through."),
      el(
        "li",
        {},
        el("strong", { text: "Add a stream" }),
        " takes the address of a network camera: RTSP, RTMP, SRT, HLS, MJPEG.",
      ),
      el(
        "li",
        {},
        "OBS, or any other WHIP client, publishes to ",
        el("code", { text: `${location.origin}/whip/NAME` }),
        ".",
      ),
      el(
        "li",
        {},
        "On the server, ",
        el("code", { text: "facelane serve rtsp://camera.example/stream" }),
        " starts with one.",
      ),
    ),
  );

new Page().start();
