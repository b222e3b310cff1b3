"""The pictures that viewers may choose between, each coded once for all who chose it."""

from __future__ import annotations

import logging
import statistics
from collections import deque
from dataclasses import dataclass

from streamer.color import ColorSpec
from streamer.frame import Frame
from streamer.live.settings import LiveSettings
from streamer.media.live_encoder import Coded, LiveEncoder, default_bitrate
from streamer.media.planes import even
from web.feeds import Layout, Rendition

logger = logging.getLogger(__name__)

# A stream whose rate leaves these shares of what its encoder was made for gets another encoder.
_SLOWER, _FASTER = 0.4, 1.6
_USUAL_RATE = 25.0
_PACE_STEPS, _LEAST_STEPS = 50, 8
_LEAST_RATE, _MOST_RATE = 1.0, 120.0
_TROUBLING = 3


@dataclass(frozen=True, slots=True)
class Coding:
    """What one encoder is for: it serves as long as this stays."""

    layout: Layout
    color: ColorSpec


class Pace:
    """How many pictures a second there are, by the median of the last steps: a pause or a few drops change nothing."""

    def __init__(self) -> None:
        self._steps: deque[float] = deque(maxlen=_PACE_STEPS)
        self._last_at: float | None = None
        self.rate = _USUAL_RATE
        """What is usual as long as too little is known. May be read on any thread."""

    def add(self, captured_at: float) -> None:
        if self._last_at is not None:
            self._steps.append(captured_at - self._last_at)
        self._last_at = captured_at
        if len(self._steps) >= _LEAST_STEPS:
            step = max(statistics.median(self._steps), 1 / _MOST_RATE)
            self.rate = max(1 / step, _LEAST_RATE)


class RenditionCoder:
    """Lays pictures out and encodes them, with an encoder made anew wherever size, colour or rate change."""

    def __init__(self, rendition: Rendition, settings: LiveSettings) -> None:
        self._rendition, self._settings = rendition, settings
        self._coding: Coding | None = None
        self._encoder: LiveEncoder | None = None
        self._rate = 0.0
        self._failures = 0
        self._why = ""

    @property
    def trouble(self) -> str:
        """Why this can't be shown, in one line, once so many pictures in a row failed that it is no accident; else
        empty. May be read on any thread."""
        return self._why if self._failures >= _TROUBLING else ""

    def encode(self, enhanced: Frame, original: Frame, *, pts: int, key: bool, rate: float) -> tuple[Coded, Layout]:
        """`rate`: pictures a second, about. Raises SinkError where x264 refuses or fails, ValueError where the two
        frames' colours differ, and whatever nobody foresaw; tell `failed` of it."""
        if enhanced.color != original.color:
            raise ValueError(f"only frames of one colour go into one picture, not {enhanced} and {original}")
        coding = Coding(layout_of(self._rendition, enhanced, original), enhanced.color)
        encoder = self._encoder_for(coding, rate)
        encoder.put(enhanced.planes)
        if coding.layout.original is not None:
            encoder.put(original.planes, *coding.layout.original[:2])
        return encoder.encode(pts, key=key), coding.layout

    def worked(self) -> None:
        """A picture was made of what this coded."""
        self._failures = 0

    def failed(self, error: Exception) -> None:
        """None was made, for whatever reason: the next one gets a new encoder, and is a key frame."""
        self._encoder = None
        self._failures += 1
        self._why = f"{type(error).__name__}: {error}".splitlines()[0]

    def rest(self) -> None:
        """Nobody wants it for now: let the encoder's memory go. Whoever wants it next begins without its trouble."""
        self._encoder = None
        self._failures = 0

    def _encoder_for(self, coding: Coding, rate: float) -> LiveEncoder:
        fits = coding == self._coding and self._rate * _SLOWER < rate < self._rate * _FASTER
        if self._encoder is None or not fits:
            self._encoder = self._made(coding, rate)
            self._coding, self._rate = coding, rate
        return self._encoder

    def _made(self, coding: Coding, rate: float) -> LiveEncoder:
        width, height = coding.layout.width, coding.layout.height
        bitrate = 1000 * self._settings.bitrate_kbps or default_bitrate(width, height, rate)
        preset = self._settings.preset
        logger.info(
            "%s: x264 %s, %dx%d at about %.3g a second, %d kb/s at most",
            self._rendition, preset, width, height, rate, bitrate // 1000,
        )  # fmt: skip
        return LiveEncoder(width, height, coding.color, bitrate=bitrate, rate=rate, preset=preset)


def layout_of(rendition: Rendition, enhanced: Frame, original: Frame) -> Layout:
    """Where the pictures lie: in "compare" the original at its own size below the enhanced one, both from the left."""
    width, height = even(enhanced.width), even(enhanced.height)
    place = (0, 0, enhanced.width, enhanced.height)
    if rendition == "enhanced":
        return Layout(width, height, place)
    below = (0, height, original.width, original.height)
    return Layout(max(width, even(original.width)), height + even(original.height), place, below)
