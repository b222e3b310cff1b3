"""Sources that deliver faster than they were taken (files, segments): let out in their own time."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_AHEAD_SECONDS = 1.0
_MOST_AHEAD = 4096
_LATE_SECONDS = 1.0


class Pacer(Generic[T]):
    """Puts items (of sound and picture, read some way ahead) in the order of their times, and gives each when it's due.

    What is late by more than a second, because reading took so long, isn't hurried after: from there on all is due that
    much later. `stopping` ends the waiting.
    """

    def __init__(self, stopping: threading.Event, *, now: Callable[[], float] = time.monotonic) -> None:
        self._stopping = stopping
        self._now = now
        self._start: float | None = None

    def paced(self, items: Iterator[tuple[float, T]]) -> Iterator[tuple[float, T]]:
        """The items of (seconds of the source, item), each as (monotonic seconds at which it was due, item)."""
        ahead: list[tuple[float, int, T]] = []
        newest = float("-inf")
        for number, (seconds, item) in enumerate(items):
            heapq.heappush(ahead, (seconds, number, item))
            newest = max(newest, seconds)
            while ahead and (newest - ahead[0][0] > _AHEAD_SECONDS or len(ahead) > _MOST_AHEAD):
                yield self._wait(*heapq.heappop(ahead)[::2])
        while ahead and not self._stopping.is_set():
            yield self._wait(*heapq.heappop(ahead)[::2])

    def place(self, seconds: float) -> float:
        """When what was taken at `seconds` of the source is due, in monotonic seconds."""
        return seconds + (self._start or 0.0)

    def wait_until(self, due: float) -> None:
        """Waits until then, or until the source is stopped."""
        self._stopping.wait(max(0.0, due - self._now()))

    def _wait(self, seconds: float, item: T) -> tuple[float, T]:
        now = self._now()
        if self._start is None or now - self.place(seconds) > _LATE_SECONDS:
            self._start = now - seconds
        due = self.place(seconds)
        self.wait_until(due)
        return due, item
