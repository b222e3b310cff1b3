"""What viewers see while there is no picture: the last one dimmed, with a line that says why."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np

from streamer.color import ColorSpec, Plane, allocate
from streamer.frame import Frame
from streamer.live.facts import PictureFacts
from streamer.live.handover import Shown
from streamer.live.ports import Cause, SourceState, SourceStatus
from streamer.media.caption import Planes, fresh_plate, stamp, yuv_of

_INK, _PAPER = (235, 238, 242), (18, 20, 24)
_SIZE = (360, 640)
# What is left of the last picture's contrast and colour.
_LIGHT, _HUE = 0.35, 0.5
# A line of text in shares of the picture's height, at least so many pixels, and how wide its letters are in lines.
_LINE, _LEAST_LINE, _LETTER = 1 / 10, 14, 0.4
_MOST_LINES = 4
_STATES = {
    SourceState.WAITING: "Waiting for a publisher",
    SourceState.CONNECTING: "Connecting",
    SourceState.LIVE: "Waiting for the first picture",
    SourceState.STALLED: "Connected, but no pictures come",
    SourceState.RETRYING: "Trying again",
    SourceState.FAILED: "Can't be played",
    SourceState.ENDED: "Ended",
}
_CAUSES = {
    Cause.REFUSED: "Connection refused",
    Cause.TIMED_OUT: "No answer in time",
    Cause.NOT_FOUND: "Nothing at this address",
    Cause.UNAUTHORISED: "Name or password wrong",
    Cause.CODEC: "No video that can be decoded",
    Cause.CLOSED: "The other side hung up",
    Cause.NETWORK: "Not reachable",
    Cause.DEVICE: "Camera not there or in use",
}


def slate_words(status: SourceStatus) -> str:
    """The few words that fit into a small picture; the status' own message, with addresses and advice, stands beside
    it."""
    cause = _CAUSES.get(status.cause)
    if cause is None or status.state not in (SourceState.RETRYING, SourceState.FAILED):
        return _STATES[status.state]
    return f"{cause}: trying again" if status.state is SourceState.RETRYING else cause


class Slate:
    """Makes slates, and keeps the last one as long as it serves."""

    def __init__(self) -> None:
        self._of: tuple[Shown | None, str] | None = None
        self._made = _blank("")

    def picture(self, last: Shown | None, message: str) -> Shown:
        """`last`: what was shown before, None for a dark picture of 640x360."""
        if self._of != (last, message):
            self._made = _blank(message) if last is None else _dimmed(last, message)
            self._of = (last, message)
        return self._made


def _blank(message: str) -> Shown:
    color = ColorSpec()
    planes = allocate(*_SIZE)
    for plane, level in zip(planes, yuv_of(_PAPER, color), strict=True):
        plane[:] = level
    _write(planes, message, color)
    frame = Frame(*planes, color, 0, Fraction(1, 1000), 0, 0.0)
    return Shown(frame, frame, PictureFacts(0, 0.0))


def _dimmed(last: Shown, message: str) -> Shown:
    enhanced = _dim(last.enhanced)
    _write(enhanced, message, last.enhanced.color)
    original = _dim(last.original)
    return Shown(_with(last.enhanced, enhanced), _with(last.original, original), PictureFacts(last.facts.seq, 0.0))


def _dim(frame: Frame) -> Planes:
    black = frame.color.black
    shares = (_LIGHT, _HUE, _HUE)
    y, u, v = (_pulled(p, b, s) for p, b, s in zip(frame.planes, black, shares, strict=True))
    return y, u, v


def _pulled(plane: Plane, towards: int, share: float) -> Plane:
    levels = np.arange(256)
    table = np.rint(towards + share * (levels - towards)).clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(plane, table), np.uint8)


def _with(frame: Frame, planes: Planes) -> Frame:
    return replace(frame, y=planes[0], u=planes[1], v=planes[2])


def _write(planes: Planes, message: str, color: ColorSpec) -> None:
    """The message in the middle, on a dark band across the picture."""
    height, width = planes[0].shape
    line = max(_LEAST_LINE, round(height * _LINE)) // 2 * 2
    lines = textwrap.wrap(message, max(8, int(width / (line * _LETTER))), max_lines=_MOST_LINES, placeholder=" …")
    if not lines:
        return
    ink, paper = yuv_of(_INK, color), yuv_of(_PAPER, color)
    top = (height - line * len(lines)) // 4 * 2
    for plane, level, part in zip(planes, paper, (1, 2, 2), strict=True):
        edge = line // 2
        plane[max(0, (top - edge) // part) : (top + line * len(lines) + edge) // part] = level
    for number, text in enumerate(lines):
        words = fresh_plate(text, line, ink, paper)
        stamp(planes, words, (width - words[0].shape[1]) // 2, top + number * line)
