"""One smooth clock for what comes from a live source: when was this captured, by the clock of this process?"""

from __future__ import annotations

import math
from collections import deque

_WINDOW = 10.0
_BUCKET = 0.5
_SLEW = 0.005
_STEP = 0.25
_JUMP = 3.0


class SlidingLeast:
    """The least of the last seconds' values, kept as the least of each half second that no later one undercuts."""

    def __init__(self, window: float = _WINDOW) -> None:
        self._buckets = round(window / _BUCKET)
        self._leasts: deque[tuple[int, float]] = deque()

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._leasts)

    def add(self, value: float, at: float) -> float:
        """The least, with `value` at the monotonic seconds `at`."""
        bucket = int(at // _BUCKET)
        while self._leasts and self._leasts[-1][1] >= value:
            self._leasts.pop()
        if not self._leasts or self._leasts[-1][0] < bucket:
            self._leasts.append((bucket, value))
        while self._leasts[0][0] < bucket - self._buckets:
            self._leasts.popleft()
        return self._leasts[0][1]

    def clear(self) -> None:
        self._leasts.clear()


class ArrivalClock:
    """Places a source's own times on the monotonic clock of this process: `captured_at = media_seconds + offset`.

    The offset is the least (arrival - media time) of the last 10 s: the way with the least delay is the one to trust,
    everything else is jitter. It falls at once, since nothing is captured after it arrived; it rises by at most 5 ms
    a second, which follows any drift of a sender's clock and any slower way without a visible step. Where for a whole
    window all came more than 0.25 s later than that, the sender paused its clock, and the offset steps. Media time that
    falls by more than 3 s begins the clock anew; `begins` counts that.

    So a constant rate gives constant steps however unevenly it arrives, what was held up on its way is older than what
    was not, and `captured_at` is never later than `arrived_at`. One instance serves picture and sound together, on one
    thread at a time. A source that delivers in bursts by its nature (segments) must pace them first and give the time
    at which it let each out as `arrived_at`. Memory is constant.
    """

    def __init__(self) -> None:
        self._offset = math.inf
        self._least = SlidingLeast()
        self._arrived = -math.inf
        self._newest = -math.inf
        self.begins = 0

    def place(self, media_seconds: float, arrived_at: float) -> float:
        """The monotonic seconds at which it was captured. `media_seconds`: the source's own time, any origin."""
        if media_seconds < self._newest - _JUMP:
            self._begin()
        delay = arrived_at - media_seconds
        least = self._least.add(delay, arrived_at)
        self._offset = min(delay, self._follow(least, max(0.0, arrived_at - self._arrived)))
        self._arrived = max(arrived_at, self._arrived)
        self._newest = max(media_seconds, self._newest)
        return media_seconds + self._offset

    def reset(self) -> None:
        """Forgets all: the source begins anew, with an origin of its own."""
        self._offset = math.inf
        self._least.clear()
        self._arrived = self._newest = -math.inf

    def _begin(self) -> None:
        self.reset()
        self.begins += 1

    def _follow(self, least: float, elapsed: float) -> float:
        if least <= self._offset or least - self._offset > _STEP:
            return least
        return min(least, self._offset + _SLEW * elapsed)
