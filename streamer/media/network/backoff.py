"""How long to wait before the next try: doubling, capped, and random."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Waits of up to `first` seconds, doubling with each up to `longest`.

    A random share is taken off, so that many who lost the same server don't come back all at once: with a `jitter` of 1
    all of it ("full jitter", Brooker, Exponential Backoff And Jitter, AWS 2015), with 0 none. `draw`: 0 to 1.
    """

    def __init__(
        self, first: float, longest: float, *, jitter: float = 1.0, draw: Callable[[], float] = random.random
    ) -> None:
        self._first = first
        self._longest = longest
        self._jitter = jitter
        self._draw = draw
        self._tries = 0

    def next(self) -> float:
        """Seconds to wait now; the next wait may be twice as long."""
        # No power grows without bound, however often somebody's camera is off.
        bound = min(self._longest, self._first * 2.0 ** min(self._tries, 32))
        self._tries += 1
        return bound * (1.0 - self._jitter * self._draw())

    def longest(self) -> float:
        """Seconds to wait where another try would change nothing by itself: the cap, less at most a tenth."""
        return self._longest * (1.0 - 0.1 * self._jitter * self._draw())

    def reset(self) -> None:
        """What was tried has worked: the next wait is a first one again."""
        self._tries = 0
