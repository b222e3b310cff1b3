"""Pictures to H.264 as browsers take it, at once: each goes in and comes out before the next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from streamer.color import ColorSpec, Planes
from streamer.errors import SinkError
from streamer.media.planes import even, fill, tag, view

CLOCK_RATE = 90_000
"""Ticks a second of video in RTP (RFC 6184, section 8.2.1)."""

# Two slices at once: at 1280x720 a third less time for 6 % more work.
_SLICES = 2
# Nearer to the source than eyes can tell; the bitrate is a lid, and a still picture costs next to nothing.
_QUALITY = 20
# The lid holds over so long: a key frame may take a fifth of a second of it, and no burst more than this.
_BUFFER_SECONDS = 0.5
# Puts 1280x720 at 25 a second at 2.8 Mb/s. Bits grow slower than pixels: what pixels have in common grows with them.
_BITS, _GROWTH = 8.4, 0.75
_FOR_EVER = 1 << 30


def default_bitrate(width: int, height: int, rate: float) -> int:
    """Bits a second that keep faces sharp in pictures of this size, `rate` of them a second."""
    return round(_BITS * math.pow(width * height * rate, _GROWTH))


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """One access unit, Annex B; a key frame has its parameter sets before it."""

    data: bytes
    is_key: bool


class LiveEncoder:
    """One encoder for pictures of one size and colour: constrained baseline, each picture back at once, no delay.

    `put` lays planes into the picture, which keeps what it has from one `encode` to the next; it begins black. Odd
    sizes are padded to even ones. `bitrate`: bits a second at most, at `rate` pictures a second; what is easy takes
    less. `preset`: x264's. A key frame comes first and where `encode` is told to make one, never else. Not thread-safe.

    Raises SinkError where x264 refuses the size.
    """

    def __init__(
        self,
        width: int,
        height: int,
        color: ColorSpec,
        *,
        bitrate: int,
        rate: float = 25.0,
        preset: str = "superfast",
    ) -> None:
        self.width, self.height = even(width), even(height)
        self._context = _open(self.width, self.height, color, bitrate=bitrate, rate=rate, preset=preset)
        # x264 copies what it is given, so that one picture serves for all.
        self._picture = av.VideoFrame(self.width, self.height, "yuv420p")
        self._picture.time_base = Fraction(1, CLOCK_RATE)
        self._planes = [view(plane) for plane in self._picture.planes]
        for plane, level in zip(self._planes, color.black, strict=True):
            plane[:] = level

    def put(self, planes: Planes, x: int = 0, y: int = 0) -> None:
        """Lay a picture's planes with their upper left corner at (x, y), both even; a last odd row or column is padded.
        Raises ValueError where they don't fit."""
        height, width = even(planes[0].shape[0]), even(planes[0].shape[1])
        if x % 2 or y % 2 or x < 0 or y < 0 or x + width > self.width or y + height > self.height:
            raise ValueError(f"{width}x{height} at ({x}, {y}) does not fit into {self.width}x{self.height}")
        for target, source, part in zip(self._planes, planes, (1, 2, 2), strict=True):
            top, left = y // part, x // part
            fill(target[top : top + height // part, left : left + width // part], source)

    def encode(self, pts: int, *, key: bool = False) -> Coded:
        """The picture as it is laid out now. `pts`: in ticks of 1/90000 s, above the last one's. Raises SinkError where
        x264 fails."""
        self._picture.pts = pts
        self._picture.pict_type = PictureType.I if key else PictureType.NONE
        try:
            (packet,) = self._context.encode(self._picture)
        except av.FFmpegError as error:
            raise SinkError(f"x264 failed on a picture of {self.width}x{self.height}: {error.strerror}") from error
        return Coded(bytes(packet), bool(packet.is_keyframe))


def _open(width: int, height: int, color: ColorSpec, *, bitrate: int, rate: float, preset: str) -> VideoCodecContext:
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = Fraction(1, CLOCK_RATE)
    # x264 plans by this rate, not by pts: to go by pts it would wait for each picture's successor.
    context.framerate = Fraction(rate).limit_denominator(1000)
    context.thread_count = _SLICES
    context.options = _options(bitrate, preset)
    tag(context, color)
    try:
        context.open()
    except av.FFmpegError as error:
        raise SinkError(f"x264 can't encode pictures of {width}x{height}; choose another max_height") from error
    return context


def _options(bitrate: int, preset: str) -> dict[str, str]:
    return {
        "preset": preset,
        "tune": "zerolatency",
        "profile": "baseline",
        "crf": str(_QUALITY),
        "maxrate": str(bitrate),
        "bufsize": str(round(bitrate * _BUFFER_SECONDS)),
        # Bits by need alone: a decibel more at the same rate, a fifth less work, and faces are what has the detail.
        "aq-mode": "0",
        # Key frames are asked for, and are such that a decoder can begin there.
        "g": str(_FOR_EVER),
        "sc_threshold": "0",
        "forced-idr": "1",
    }
