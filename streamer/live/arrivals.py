"""What the arrivals of a source's frames tell: how fast they come, and how late they usually are."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from streamer.live.clock import SlidingLeast

_USUAL_INTERVAL = 0.04
_FRAMES = 32
_PAUSE = 1.0


class Arrivals:
    """Not thread-safe: told of every frame by the one thread that brings them; others may read."""

    def __init__(self) -> None:
        self._least = SlidingLeast()
        self._captured: deque[float] = deque(maxlen=_FRAMES)
        self._usual_age = 0.0
        self._interval = _USUAL_INTERVAL

    @property
    def interval(self) -> float:
        """Seconds between the source's frames, 0.04 as long as that is not known."""
        return self._interval

    @property
    def usual_age(self) -> float:
        """How old frames are at least when they come: what decoding and the source itself always take. Nobody is
        late for that."""
        return self._usual_age

    def add(self, captured_at: float, now: float) -> None:
        self._usual_age = max(0.0, self._least.add(now - captured_at, now))
        if self._captured and not 0.0 <= captured_at - self._captured[-1] < _PAUSE:
            self._captured.clear()
        self._captured.append(captured_at)
        if len(self._captured) > 2:
            # The median: frames that were lost on the way, or skipped, don't make the source slower.
            steps = sorted(later - earlier for earlier, later in pairwise(self._captured))
            self._interval = max(steps[len(steps) // 2], 0.001)
