// Boxes and lanes over a picture, from the facts of exactly that picture.

import { LANES, laneTag, likeness } from "./words.js";

const UNKNOWN = "rgb(168 168 168)";
const LETTERS_PX = 12;
const MARGIN_PX = 4;

/** Draws the faces over the whole canvas; boxes are shares of the picture, (0, 0) at the top left. */
export function drawFaces(canvas, faces) {
  const context = canvas.getContext("2d");
  const zoom = sharp(canvas);
  context.setTransform(zoom, 0, 0, zoom, 0, 0);
  const width = canvas.width / zoom;
  const height = canvas.height / zoom;
  context.clearRect(0, 0, width, height);
  context.font = `600 ${LETTERS_PX}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  for (const face of faces) drawFace(context, face, { width, height });
}

// As many points as the screen has, so that lines and letters are crisp at every size.
function sharp(canvas) {
  const zoom = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * zoom);
  const height = Math.round(canvas.clientHeight * zoom);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  return zoom;
}

function drawFace(context, face, { width, height }) {
  const [left, top, right, bottom] = face.box.map((share, i) => share * (i % 2 ? height : width));
  const color = LANES[face.lane]?.color ?? UNKNOWN;
  context.lineWidth = 4;
  context.strokeStyle = "rgb(0 0 0 / 0.55)";
  context.strokeRect(left, top, right - left, bottom - top);
  context.lineWidth = 2;
  context.strokeStyle = color;
  context.strokeRect(left, top, right - left, bottom - top);
  drawLabel(context, label(face), { left, top, bottom, color, width, height });
}

function drawLabel(context, text, { left, top, bottom, color, width, height }) {
  const plate = LETTERS_PX + 2 * MARGIN_PX;
  const wide = context.measureText(text).width + 2 * MARGIN_PX;
  const x = Math.max(0, Math.min(left - 1, width - wide));
  const y = top >= plate ? top - plate : Math.min(bottom, height - plate);
  context.fillStyle = color;
  context.fillRect(x, y, wide, plate);
  context.fillStyle = "rgb(0 0 0)";
  context.fillText(text, x + MARGIN_PX, y + plate / 2);
}

/** The words for one face: "#3 87 px as it is"; of one that was judged "#3 87 px transformer, likeness 0.931". */
export function label(face) {
  const like = likeness(face);
  return `#${face.track} ${Math.round(face.width_px)} px ${laneTag(face.lane)}${like && `, likeness ${like}`}`;
}
