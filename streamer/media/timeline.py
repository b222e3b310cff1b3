"""Timestamps as frames come out of a decoder, mended where they are missing or do not rise."""

from __future__ import annotations

from fractions import Fraction

_JUMP_SECONDS = Fraction(1)
_USUAL_RATE = Fraction(25)


class Timeline:
    """Gives every frame a pts later than the last frame's, and leaves alone what is right.

    A frame without a pts takes its decoding time where that is later, else it follows after the last one's duration.
    A pts that falls behind by less than a second is moved up by the least that rises; one that falls further counts as
    missing (a clock that starts anew is `Clock`'s, so that sound goes along). Gaps stay. `mended` counts the frames
    that were given a time of ours.
    """

    def __init__(self, time_base: Fraction, rate: Fraction | None, *, start: int | None) -> None:
        self.mended = 0
        self._step = max(1, round(1 / ((rate or _USUAL_RATE) * time_base)))
        self._jump = max(self._step, round(_JUMP_SECONDS / time_base))
        self._next = start or 0
        self._last: int | None = None

    def place(self, pts: int | None, dts: int | None, duration: int) -> int:
        """The pts, in units of the time base, of the next frame in presentation order."""
        placed = self._place(pts, dts)
        self._last = placed
        self._next = placed + (duration or self._step)
        return placed

    def _place(self, pts: int | None, dts: int | None) -> int:
        if pts is None:
            self.mended += 1
            return dts if dts is not None and self._is_later(dts) else self._next
        if self._is_later(pts):
            return pts
        self.mended += 1
        last = self._next if self._last is None else self._last
        return last + 1 if last - pts < self._jump else self._next

    def _is_later(self, pts: int) -> bool:
        return self._last is None or pts > self._last
