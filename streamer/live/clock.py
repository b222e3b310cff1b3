"""One smooth clock for what comes from a live source: when was this captured, by the clock of this process?"""

from __future__ import annotations

import math
from collections import deque
from statistics import median

_WINDOW = 10.0
_BUCKET = 0.5
_RISE = 0.005
_FALL = 0.5
_STEP = 0.25
_JUMP = 3.0
_SETTLING_SECONDS = 1.0
# So many arrivals, over so many seconds, are no slip of a source's clock; after so many others they are forgotten.
_SURE, _SURE_SECONDS, _FORGOTTEN = 5, 0.5, 25


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


class _Doubtful:
    """Arrivals that came far sooner than the way seemed to allow: either a wrong time, or a way that got so quick."""

    def __init__(self) -> None:
        self._delays: deque[float] = deque(maxlen=_FORGOTTEN)
        self._first_at = self._last_at = 0.0
        self._others = self._others_since = 0

    @property
    def is_sure(self) -> bool:
        return len(self._delays) >= _SURE and self._last_at - self._first_at >= _SURE_SECONDS

    @property
    def are_all(self) -> bool:
        """Whether nothing else came meanwhile."""
        return not self._others

    @property
    def delay(self) -> float:
        return median(self._delays)

    def add(self, delay: float, at: float) -> None:
        if not self._delays:
            self._first_at = at
        self._delays.append(delay)
        self._last_at = at
        self._others_since = 0

    def pass_by(self) -> None:
        """Another came as was expected."""
        if self._delays:
            self._others += 1
            self._others_since += 1
            if self._others_since > _FORGOTTEN:
                self.clear()

    def clear(self) -> None:
        self._delays.clear()
        self._others = self._others_since = 0


class ArrivalClock:
    """Places a source's own times on the monotonic clock of this process: `captured_at = media_seconds + offset`, and
    never later than `arrived_at`.

    The offset is the least (arrival - media time) of the last 10 s: the way with the least delay is the one to trust,
    everything else is jitter. It rises by at most 5 ms a second, which follows any drift of a sender's clock and any
    slower way without a visible step. Where for a whole window all came more than 0.25 s later than that, the sender
    paused its clock, and the offset steps up. When the way gets quicker it falls, by half a second for each second of
    media at most, so that `captured_at` goes on rising; only in the first second it falls at once. What comes more than
    0.25 s too soon is placed at its arrival and changes nothing, until it is sure to be no wrong time: five such, over
    half a second. Media time that falls by more than 3 s begins the clock anew; `begins` counts that.

    So a constant rate gives constant steps however unevenly it arrives, and what was held up on its way is older than
    what was not. One instance serves picture and sound together, on one thread at a time. A source that delivers in
    bursts by its nature (segments) must pace them first and give the time at which it let each out as `arrived_at`.
    Memory is constant.
    """

    def __init__(self) -> None:
        self._least = SlidingLeast()
        self._doubtful = _Doubtful()
        self._offset = self._settled_at = math.inf
        self._arrived = self._newest = -math.inf
        self.begins = 0

    def place(self, media_seconds: float, arrived_at: float) -> float:
        """The monotonic seconds at which it was captured. `media_seconds`: the source's own time, any origin."""
        if media_seconds < self._newest - _JUMP:
            self.reset()
            self.begins += 1
        self._settled_at = min(self._settled_at, arrived_at + _SETTLING_SECONDS)
        delay = arrived_at - media_seconds
        if arrived_at >= self._settled_at and self._offset - delay > _STEP:
            self._doubt(delay, arrived_at)
        else:
            self._doubtful.pass_by()
            self._follow(self._least.add(delay, arrived_at), media_seconds, arrived_at)
            self._newest = max(media_seconds, self._newest)
        self._arrived = max(arrived_at, self._arrived)
        return min(media_seconds + self._offset, arrived_at)

    def reset(self) -> None:
        """Forgets all: the source begins anew, with an origin of its own."""
        self._least.clear()
        self._doubtful.clear()
        self._offset = self._settled_at = math.inf
        self._arrived = self._newest = -math.inf

    def _doubt(self, delay: float, arrived_at: float) -> None:
        self._doubtful.add(delay, arrived_at)
        if not self._doubtful.is_sure:
            return
        believed = self._doubtful.delay
        if self._doubtful.are_all:
            # All were placed at their arrivals, so that no time goes back by this.
            self._offset = believed
            self._newest = arrived_at - delay
        self._least.add(believed, arrived_at)
        self._doubtful.clear()

    def _follow(self, least: float, media_seconds: float, arrived_at: float) -> None:
        above = least - self._offset
        if arrived_at < self._settled_at or above > _STEP:
            self._offset = least
        elif above > 0:
            self._offset = min(least, self._offset + _RISE * max(0.0, arrived_at - self._arrived))
        else:
            self._offset = max(least, self._offset - _FALL * max(0.0, media_seconds - self._newest))
