"""What happened in the last seconds: rates, sums and percentiles for people, in bounded memory."""

from __future__ import annotations

from collections import deque

WINDOW_SECONDS = 5.0
MOST_EVENTS = 1024
"""200 a second over the window; of more, the newest count."""
SOONEST_SECONDS = 0.5
"""No rate is told of less time than this."""


class Recent:
    """Events of the last `WINDOW_SECONDS`, each with a value. Not thread-safe; times are handed in and never fall."""

    def __init__(self) -> None:
        self._events: deque[tuple[float, float]] = deque(maxlen=MOST_EVENTS)
        self._first_at: float | None = None

    def add(self, now: float, value: float = 1.0) -> None:
        if self._first_at is None:
            self._first_at = now
        self._events.append((now, value))
        self._expire(now)

    def rate(self, now: float) -> float | None:
        """Events a second; None where nothing can be told yet."""
        return self._per_second(now, len(self._current(now)))

    def flow(self, now: float) -> float | None:
        """Values a second; None where nothing can be told yet."""
        return self._per_second(now, sum(value for _, value in self._current(now)))

    def quantiles(self, now: float, *shares: float) -> tuple[float, ...] | None:
        """The values that these shares (0 to 1) of the events don't exceed; None where there is none."""
        values = sorted(value for _, value in self._current(now))
        if not values:
            return None
        return tuple(values[min(int(share * len(values)), len(values) - 1)] for share in shares)

    def _per_second(self, now: float, amount: float) -> float | None:
        if self._first_at is None or now - self._first_at < SOONEST_SECONDS:
            return None
        if len(self._events) == MOST_EVENTS:
            return amount / max(now - self._events[0][0], SOONEST_SECONDS)
        return amount / min(now - self._first_at, WINDOW_SECONDS)

    def _current(self, now: float) -> deque[tuple[float, float]]:
        self._expire(now)
        return self._events

    def _expire(self, now: float) -> None:
        while self._events and self._events[0][0] <= now - WINDOW_SECONDS:
            self._events.popleft()
