"""The times of a stream's frames, as all that comes after its source may take them."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

from streamer.frame import Frame

_CLOCK_RATE = 90000
_TIME_BASE = Fraction(1, _CLOCK_RATE)
# Of its source's interval is one frame later than the one before at least, where their times say otherwise.
_LEAST_STEP = 0.25


class Retimer:
    """Numbers frames, and gives them times that rise whatever their source says, across reconnects too: after a source
    set its clock back, time passes at a quarter of its speed until it is reached again. None is later than now."""

    def __init__(self) -> None:
        self._seq = self._pts = -1
        self._captured_at = -math.inf

    def place(self, frame: Frame, *, interval: float, now: float) -> Frame:
        """`interval`: seconds between the source's frames."""
        self._seq += 1
        self._captured_at = min(max(frame.captured_at, self._captured_at + _LEAST_STEP * interval), now)
        self._pts = max(self._pts + 1, round(self._captured_at * _CLOCK_RATE))
        return replace(frame, pts=self._pts, time_base=_TIME_BASE, seq=self._seq, captured_at=self._captured_at)
