"""What comes from a stream's source, on its way to the conductor: the newest frame alone, timed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from streamer.frame import Frame
from streamer.live.arrivals import Arrivals
from streamer.live.retiming import Retimer
from streamer.live.slot import LatestSlot

# Nobody is to wait longer for a picture because the next one is to be better.
_MOST_INTERVALS, _MOST_SECONDS = 3.0, 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Arrived:
    """A frame that came at `at`. `run`: see `Arrivals.run`. `epoch`: of its outlet, then. `is_hurried`: it came right
    after the one before, as what was held up does."""

    frame: Frame
    at: float
    decode_seconds: float
    run: int
    epoch: int
    is_hurried: bool


class Intake:
    """`place` and `put` are for the source's thread, `take`, `is_late` and `shown` for the conductor's. Times are
    monotonic seconds."""

    def __init__(self, *, max_age_seconds: float) -> None:
        self._max_age_seconds = max_age_seconds
        self._arrivals = Arrivals()
        self._retimer = Retimer()
        self._slot = LatestSlot[Arrived]()
        self._shown_at = -math.inf

    def __bool__(self) -> bool:
        """Whether there is something to take."""
        return bool(self._slot)

    @property
    def interval(self) -> float:
        """Seconds between the source's frames."""
        return self._arrivals.interval

    def pause(self) -> None:
        """What comes next is not to be taken for the continuation of what came last."""
        self._arrivals.pause()

    def place(self, frame: Frame, *, now: float, decode_seconds: float, epoch: int) -> Arrived:
        """Every frame that comes, whether it is put or not."""
        is_hurried = self._arrivals.add(frame.captured_at, now)
        placed = self._retimer.place(frame, interval=self._arrivals.interval, now=now)
        return Arrived(placed, now, decode_seconds, self._arrivals.run, epoch, is_hurried)

    def put(self, arrived: Arrived) -> Arrived | None:
        """Puts the newest in; returns what it superseded."""
        return self._slot.put(arrived)

    def take(self) -> Arrived | None:
        return self._slot.take()

    def is_late(self, arrived: Arrived, now: float) -> bool:
        """Whether to let the newest frame there is go by: only where newer ones are sure to follow at once, since the
        source is catching up with what was held up, and something was shown a moment ago. So a way that gets longer
        costs nothing, and a backlog is skipped."""
        if not arrived.is_hurried or now - self._shown_at > self._patience:
            return False
        return now - arrived.frame.captured_at - self._arrivals.usual_age > self._max_age_seconds

    def shown(self, now: float) -> None:
        """A frame was shown."""
        self._shown_at = now

    @property
    def _patience(self) -> float:
        return min(_MOST_INTERVALS * self._arrivals.interval, _MOST_SECONDS)
