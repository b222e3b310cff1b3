"""Words on planes: rendered once into a small plate of Y, U and V, then copied into pictures."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from streamer.color import ColorSpec, Plane, from_rgb

Rgb = tuple[int, int, int]
Planes = tuple[Plane, Plane, Plane]

_WEIGHT = 500
# Letters take so much of their plate's height; the rest is air above and below.
_LETTERS = 0.72
_DRAWING = threading.Lock()


class Yuv(NamedTuple):
    """One colour as a film's planes hold it."""

    y: int
    u: int
    v: int


@lru_cache(maxsize=256)
def yuv_of(rgb: Rgb, color: ColorSpec) -> Yuv:
    """What an RGB colour is in planes of this colour description."""
    y, u, v = from_rgb(np.full((2, 2, 3), rgb, np.uint8), color)
    return Yuv(int(y[0, 0]), int(u[0, 0]), int(v[0, 0]))


@lru_cache(maxsize=1024)
def plate(text: str, height: int, ink: Yuv, paper: Yuv) -> Planes:
    """As `fresh_plate`, kept: for words that come again."""
    return fresh_plate(text, height, ink, paper)


def fresh_plate(text: str, height: int, ink: Yuv, paper: Yuv) -> Planes:
    """A line of text on a filled plate, `height` pixels high and of even size: Y, and U and V at half the size."""
    mask = _letters(text, height)
    half = cv2.resize(mask, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    y, u, v = (_mixed(m, i, p) for m, i, p in zip((mask, half, half), ink, paper, strict=True))
    return y, u, v


def stamp(planes: Planes, patch: Planes, x: int, y: int) -> None:
    """Copy a plate into writeable planes with its upper left corner at (x, y), as far as it lies inside; both are taken
    down to even numbers, since chroma has half the points."""
    x, y = x - x % 2, y - y % 2
    _paste(planes[0], patch[0], x, y)
    _paste(planes[1], patch[1], x // 2, y // 2)
    _paste(planes[2], patch[2], x // 2, y // 2)


def _letters(text: str, height: int) -> Plane:
    """Where the ink is: (height, w) uint8, 255 for full ink."""
    size = round(height * _LETTERS)
    margin = height // 4
    baseline = round(height * 0.5 + size * 0.36)
    # A face keeps the glyphs that it has drawn, without a lock of its own; sinks draw on threads of theirs.
    with _DRAWING:
        face = _face()
        _, _, wide, _ = cv2.getTextSize((0, 0), text, (0, 0), face, size, _WEIGHT)
        mask = np.zeros((height, (wide + 2 * margin + 1) // 2 * 2), np.uint8)
        cv2.putText(mask, text, (margin, baseline), (255, 255, 255), face, size, _WEIGHT)
    return mask


@lru_cache(maxsize=1)
def _face() -> cv2.FontFace:
    """The sans serif face that OpenCV carries, so that captions look the same everywhere."""
    return cv2.FontFace("sans")


def _mixed(mask: npt.NDArray[np.uint8], ink: int, paper: int) -> Plane:
    table = np.rint(np.linspace(paper, ink, 256)).astype(np.uint8)
    return table[mask]


def _paste(plane: Plane, patch: Plane, x: int, y: int) -> None:
    top, left = max(y, 0), max(x, 0)
    bottom, right = min(y + patch.shape[0], plane.shape[0]), min(x + patch.shape[1], plane.shape[1])
    if top < bottom and left < right:
        plane[top:bottom, left:right] = patch[top - y : bottom - y, left - x : right - x]
