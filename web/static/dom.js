// Elements without markup: nothing that comes from a stream or a server is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Makes an element. `props`: `class`, `text`, `on` (event to listener), else attributes; true: one without a value. */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) setProp(element, name, value);
  element.append(...children);
  return element;
}

function setProp(element, name, value) {
  if (name === "class") element.className = value;
  else if (name === "text") element.textContent = value;
  else if (name === "on")
    for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
  else if (value === true) element.setAttribute(name, "");
  else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
}

/** Sets text only where it differs, so that screen readers hear changes alone, and nothing is laid out anew. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Lets screen readers say `text`, once. */
export function announce(text) {
  say(document.getElementById("spoken"), text);
}

const ICONS = {
  live: [["circle", { cx: 12, cy: 12, r: 6, fill: "currentColor", stroke: "none" }]],
  waiting: [["circle", { cx: 12, cy: 12, r: 6 }]],
  connecting: [["path", { d: "M12 5a7 7 0 1 1-7 7" }]],
  stalled: [["path", { d: "M8.5 6v12M15.5 6v12" }]],
  retrying: [["path", { d: "M18.5 9A7 7 0 1 0 19 13M19 4v5h-5" }]],
  failed: [["path", { d: "M6.5 6.5l11 11M17.5 6.5l-11 11" }]],
  ended: [["path", { d: "M7 7h10v10H7z" }]],
  unknown: [["path", { d: "M7 12h10" }]],
  muted: [["path", { d: "M4 9.5v5h3.5L12 19V5L7.5 9.5zM16 9.5l5 5M21 9.5l-5 5" }]],
  sound: [["path", { d: "M4 9.5v5h3.5L12 19V5L7.5 9.5zM15.5 9a4.5 4.5 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11" }]],
  compare: [["path", { d: "M12 3v18M8 8l-4 4 4 4M16 8l4 4-4 4" }]],
  faces: [["path", { d: "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M9 10v.5M15 10v.5M8.5 14.5a4.5 4.5 0 0 0 7 0" }]],
  full: [["path", { d: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5" }]],
  pip: [
    ["path", { d: "M20 11V5H3v13h7" }],
    ["path", { d: "M13 14h8v6h-8z" }],
  ],
  close: [["path", { d: "M6 6l12 12M18 6L6 18" }]],
  remove: [["path", { d: "M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13M10.5 11v5.5M13.5 11v5.5" }]],
  camera: [["path", { d: "M3 7h12v10H3zM15 11l6-3.5v9L15 13" }]],
  plus: [["path", { d: "M12 5v14M5 12h14" }]],
  stop: [["path", { d: "M7 7h10v10H7z", fill: "currentColor" }]],
};

/** One of the drawings above, hidden from screen readers: words stand beside every one. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const frame = { viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" };
  for (const [key, value] of Object.entries(frame)) svg.setAttribute(key, value);
  svg.classList.add("icon");
  for (const [tag, attributes] of ICONS[name]) svg.append(shape(tag, attributes));
  return svg;
}

function shape(tag, attributes) {
  const drawn = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) drawn.setAttribute(key, value);
  return drawn;
}

/** A button with a drawing and a word; `bare` leaves the word to screen readers and the tooltip. */
export function button(name, label, onClick, { bare = false, kind = "" } = {}) {
  const made = el("button", { type: "button", class: `button ${bare ? "bare" : ""} ${kind}`, on: { click: onClick } });
  made.append(icon(name), el("span", { class: bare ? "hidden" : "label", text: label }));
  if (bare) made.title = label;
  return made;
}

/** Changes what `button` made. */
export function relabel(made, name, label) {
  const word = made.lastElementChild;
  if (word.textContent === label && made.dataset.icon === name) return;
  made.dataset.icon = name;
  made.replaceChildren(icon(name), word);
  word.textContent = label;
  if (made.classList.contains("bare")) made.title = label;
}
