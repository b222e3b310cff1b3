"""When the camera sent each picture, to be found by the number that a viewer reads."""

from __future__ import annotations

from collections import defaultdict
from threading import Lock

LONGEST_SECONDS = 10.0


class SentLog:
    """Take `put` as a camera's `on_sent`. `age` finds the latest sending of a number before it was shown."""

    def __init__(self) -> None:
        self._times: dict[int, list[float]] = defaultdict(list)
        self._lock = Lock()

    def put(self, number: int, at: float) -> None:
        with self._lock:
            self._times[number].append(at)

    def age(self, number: int, shown_at: float) -> float | None:
        """Seconds from being sent to `shown_at`; None where it was not sent in the last `LONGEST_SECONDS`."""
        with self._lock:
            ages = [shown_at - at for at in self._times[number]]
        return min((age for age in ages if 0.0 <= age <= LONGEST_SECONDS), default=None)
