"""What the router saw, drawn over a film: a box for each face, its lane by colour, and the numbers that decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from routing.types import Box, Lane, Route
from streamer.frame import Frame, Plane
from streamer.media.caption import Planes, Rgb, Yuv, plate, stamp, yuv_of

LANE_COLORS: Mapping[Lane, Rgb] = {
    Lane.SKIP: (168, 168, 168),
    Lane.RESIZE: (80, 170, 255),
    Lane.TRANSFORMER: (255, 160, 30),
    Lane.FREQUENCY: (80, 210, 110),
}
_INK = (0, 0, 0)
# At 360 lines letters of 14 pixels are as small as can be read; above, they grow with the picture.
_MIN_LABEL, _LABEL_SHARE = 14, 36
_LINE_SHARE = 360


def draw_overlay(frame: Frame, routes: Sequence[Route], *, scale: float) -> Frame:
    """A new frame with each route's box, and above it: track, width in source pixels, sharpness, lane.

    `scale`: pixels of `frame` for one of the source, in which routes count. The frame itself where there are no routes.
    """
    if not routes:
        return frame
    planes = (frame.y.copy(), frame.u.copy(), frame.v.copy())
    ink = yuv_of(_INK, frame.color)
    line = max(2, frame.height // _LINE_SHARE * 2)
    height = max(_MIN_LABEL, frame.height // _LABEL_SHARE // 2 * 2)
    for route in routes:
        if route.fading:
            continue
        paint = yuv_of(LANE_COLORS[route.lane], frame.color)
        left, top, _, bottom = _even(route.face.box, scale)
        _draw_box(planes, _even(route.face.box, scale), line, paint)
        label = plate(label_of(route), height, ink, paint)
        x = max(0, min(left, frame.width - label[0].shape[1]))
        y = top - height if top >= height else min(bottom, frame.height - height)
        stamp(planes, label, x, y)
    return replace(frame, y=planes[0], u=planes[1], v=planes[2])


def label_of(route: Route) -> str:
    """The words for one face: "#3 87px s41 transformer"."""
    return f"#{route.face.track_id} {route.traits.width_px:.0f}px s{route.traits.sharpness:.0f} {route.lane.value}"


def _even(box: Box, scale: float) -> tuple[int, int, int, int]:
    """The box in the frame's pixels, at even numbers, since chroma has half the points."""
    x0, y0, x1, y1 = (round(edge * scale / 2) * 2 for edge in box)
    return x0, y0, x1, y1


def _draw_box(planes: Planes, box: tuple[int, int, int, int], line: int, paint: Yuv) -> None:
    for plane, value, step in zip(planes, paint, (1, 2, 2), strict=True):
        x0, y0, x1, y1 = (edge // step for edge in box)
        _draw_frame(plane, (x0, y0, x1, y1), line // step, value)


def _draw_frame(plane: Plane, box: tuple[int, int, int, int], line: int, value: int) -> None:
    """Four bars inside the box's edges; what lies outside the plane is cut off."""
    x0, y0, x1, y1 = box
    bars = ((x0, y0, x1, y0 + line), (x0, y1 - line, x1, y1), (x0, y0, x0 + line, y1), (x1 - line, y0, x1, y1))
    for left, top, right, bottom in bars:
        plane[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = value
