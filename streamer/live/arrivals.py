"""What the arrivals of a source's frames tell: how fast they come, how old they usually are, and where one paused."""

from __future__ import annotations

from collections import deque

_USUAL_INTERVAL = 0.04
_STEPS = 32
# A step is a pause when it is longer than all of this.
_PAUSE_SECONDS, _PAUSE_INTERVALS = 1.0, 4.0
# Where no rate is known yet, any step up to this may be the rate.
_SLOWEST_INTERVAL = 10.0
_LEAST_STEPS = 2
# Usual is what the youngest fifth of the frames of the last seconds had.
_AGES, _AGES_SECONDS, _LEAST_AGES, _USUAL_SHARE = 64, 2.0, 5, 0.2
_HURRIED = 0.5


class Arrivals:
    """Not thread-safe: told of every frame by the one thread that brings them; others may read."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None
        self._steps: deque[float] = deque(maxlen=_STEPS)
        self._ages: deque[tuple[float, float]] = deque(maxlen=_AGES)
        self._usual_age = 0.0
        self._interval = _USUAL_INTERVAL
        self._run = 0

    @property
    def interval(self) -> float:
        """Seconds between the source's frames, 0.04 as long as that is not known."""
        return self._interval

    @property
    def usual_age(self) -> float:
        """How old most frames of the last 2 s were when they came, at least: what the way, decoding and the source
        itself take. Nobody is late for that."""
        return self._usual_age

    @property
    def run(self) -> int:
        """Which run of frames without a pause this is. A pause is a second and more, and several intervals of a source
        that is slow by itself."""
        return self._run

    def pause(self) -> None:
        """From the next frame on it is another run."""
        self._run += 1

    def add(self, captured_at: float, now: float) -> bool:
        """A frame came. True where it came so soon after the last that the source is catching up: what was held up on
        its way comes at once, and more of it may follow."""
        last_captured_at, last_at = self._last or (captured_at, now)
        self._last = captured_at, now
        step = captured_at - last_captured_at
        self._add_step(step)
        is_hurried = now - last_at < _HURRIED * step
        if not is_hurried:
            self._add_age(max(0.0, now - captured_at), now)
        return is_hurried

    def _add_age(self, age: float, now: float) -> None:
        self._ages.append((now, age))
        while len(self._ages) > _LEAST_AGES and self._ages[0][0] < now - _AGES_SECONDS:
            self._ages.popleft()
        ages = sorted(age for _, age in self._ages)
        self._usual_age = ages[int(_USUAL_SHARE * len(ages))]

    def _add_step(self, step: float) -> None:
        if self._is_pause(step):
            self._steps.clear()
            self._run += 1
        elif step > 0.0:
            self._steps.append(step)
        if len(self._steps) >= _LEAST_STEPS:
            # The median: frames that were lost on the way, or skipped, don't make the source slower.
            self._interval = max(sorted(self._steps)[len(self._steps) // 2], 0.001)

    def _is_pause(self, step: float) -> bool:
        if len(self._steps) < _LEAST_STEPS:
            return abs(step) > _SLOWEST_INTERVAL
        return abs(step) > max(_PAUSE_SECONDS, _PAUSE_INTERVALS * self._interval)
