"""A live source's own times, made to go on where they are missing, fall or jump."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

_FALL = 1.0
_LEAP = 3.0
_USUAL_DURATION = 0.04
# Sound and picture jump one after the other: packets from before it still come.
_KEPT_SHIFTS = 4


class Mender:
    """Places packets of all streams of one connection on one time that goes on.

    A packet without a time follows the last one of its stream. One that falls behind its stream by more than a second,
    or runs ahead of it by 3 s more than have passed meanwhile, jumped: its source's clock was set anew, and it and all
    that follow are shifted, sound and picture by the same, to where the stream had come to. All else is left alone, so
    that what was held up on its way, or paused, stays where it was. `on_mended` is told what was put right.
    """

    def __init__(self, on_mended: Callable[[str], None]) -> None:
        self._on_mended = on_mended
        self._shifts = deque([0.0], _KEPT_SHIFTS)
        self._last: dict[int, tuple[float, float]] = {}
        self._ends: dict[int, float] = {}

    def place(self, stream: int, seconds: float | None, *, duration: float, arrived_at: float) -> float:
        """The mended decoding time, in seconds of the source, of the next packet of `stream`. `duration`: seconds, 0
        where unknown."""
        placed = self._missing(stream) if seconds is None else self._given(stream, seconds, arrived_at)
        self._last[stream] = placed, arrived_at
        self._ends[stream] = placed + (duration or _USUAL_DURATION)
        return placed

    def _missing(self, stream: int) -> float:
        # FFmpeg knows no time for the first picture of RTSP; that is no fault of the source.
        if stream in self._last:
            self._on_mended("timestamp_missing")
        return self._ends.get(stream, self._newest())

    def _given(self, stream: int, seconds: float, arrived_at: float) -> float:
        if not self._last:
            return seconds
        placed = self._expected(stream, arrived_at)
        shifted = [seconds + shift for shift in self._shifts if self._is_credible(stream, seconds + shift, arrived_at)]
        if shifted:
            return min(shifted, key=lambda candidate: abs(candidate - placed))
        self._shifts.append(placed - seconds)
        self._on_mended("timestamp_jump")
        return placed

    def _is_credible(self, stream: int, seconds: float, arrived_at: float) -> bool:
        known = self._last.get(stream)
        if known is None:
            return abs(seconds - self._newest()) < _LEAP
        last, then = known
        return last - _FALL < seconds < last + _LEAP + max(0.0, arrived_at - then)

    def _expected(self, stream: int, arrived_at: float) -> float:
        known = self._last.get(stream)
        if known is None:
            return self._newest()
        last, then = known
        return max(self._ends[stream], last + min(arrived_at - then, _LEAP))

    def _newest(self) -> float:
        return max((last for last, _ in self._last.values()), default=0.0)


class Rising:
    """Times that only rise: one that doesn't is put a millisecond after the last, and counted."""

    def __init__(self) -> None:
        self._last = -math.inf

    def place(self, seconds: float) -> tuple[float, bool]:
        """The time, and whether it had to be moved."""
        moved = seconds <= self._last
        self._last = self._last + 0.001 if moved else seconds
        return self._last, moved
