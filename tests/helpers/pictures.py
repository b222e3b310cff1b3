"""Numbered pictures for live streams, and what a viewer's decoder makes of what it gets."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import av
import cv2
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from streamer.color import ColorSpec, Plane, Planes, from_rgb
from streamer.frame import Frame
from tests.helpers.clips import natural

_BITS = 12
_ROWS = 16


def numbered(number: int, height: int = 96, width: int = 128, *, seed: int = 0) -> Planes:
    """A soft picture that moves with its number, and has it written into the uppermost rows as black and white."""
    planes = from_rgb(np.roll(_soft(height, width, seed), 2 * number, axis=1), ColorSpec())
    edges = np.linspace(0, width, _BITS + 1).astype(int)
    for bit in range(_BITS):
        planes[0][:_ROWS, edges[bit] : edges[bit + 1]] = 235 if number >> bit & 1 else 16
    return planes


@lru_cache(maxsize=16)
def _soft(height: int, width: int, seed: int) -> Plane:
    small = natural(48, 64, seed=seed).astype(np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def number_of(luma: Plane) -> int:
    """What `numbered` wrote there, or would have."""
    edges = np.linspace(0, luma.shape[1], _BITS + 1).astype(int)
    places = [luma[2 : _ROWS - 2, left:right] for left, right in itertools.pairwise(edges)]
    return sum(int(place.mean() > 125) << bit for bit, place in enumerate(places))


def frame(number: int, height: int = 96, width: int = 128, *, color: ColorSpec | None = None, seed: int = 0) -> Frame:
    """`numbered`, captured now."""
    y, u, v = numbered(number, height, width, seed=seed)
    now = time.monotonic()
    return Frame(y, u, v, color or ColorSpec(), round(1000 * now), Fraction(1, 1000), number, now)


def halved(whole: Frame) -> Frame:
    """The same moment at half the size."""
    y, u, v = (np.ascontiguousarray(plane[::2, ::2]) for plane in whole.planes)
    return Frame(y, u, v, whole.color, whole.pts, whole.time_base, whole.seq, whole.captured_at)


class Decoder:
    """What a viewer has: packets in, planes out, one for one."""

    def __init__(self) -> None:
        self.context = av.CodecContext.create("h264", "r")
        assert isinstance(self.context, VideoCodecContext)
        self.context.thread_count = 1
        self.context.flags |= Flags.low_delay

    def decode(self, data: bytes, pts: int = 0) -> av.VideoFrame:
        packet = av.Packet(data)
        packet.pts, packet.time_base = pts, Fraction(1, 90_000)
        (picture,) = self.context.decode(packet)
        return picture


def planes_of(picture: av.VideoFrame) -> tuple[Plane, Plane, Plane]:
    y, u, v = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].copy()
        for plane in picture.planes
    )
    return y, u, v


def psnr(one: Plane, other: Plane) -> float:
    return float(cv2.PSNR(one, other))


def units(data: bytes) -> list[bytes]:
    """The NAL units of an access unit in Annex B."""
    parts = data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    return [part for part in parts if part]


def kinds(data: bytes) -> list[int]:
    """Their nal_unit_type (H.264, table 7-1): 1 a slice, 5 one of an IDR, 6 SEI, 7 and 8 parameter sets."""
    return [unit[0] & 31 for unit in units(data)]


def is_rising(values: Sequence[int]) -> bool:
    return all(before < after for before, after in itertools.pairwise(values))
