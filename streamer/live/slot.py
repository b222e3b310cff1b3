"""Between one who brings and one who takes: room for the newest alone."""

from __future__ import annotations

from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class LatestSlot(Generic[T]):
    """Holds the newest item; what it takes the place of is gone, and counted. Thread-safe; nothing waits."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._item: T | None = None
        self._superseded = 0

    @property
    def superseded(self) -> int:
        """How many items gave way to newer ones before anybody took them."""
        return self._superseded

    def __bool__(self) -> bool:
        """Whether there is something to take."""
        return self._item is not None

    def put(self, item: T) -> T | None:
        """Puts the newest in; returns what it superseded."""
        with self._lock:
            old, self._item = self._item, item
            self._superseded += old is not None
            return old

    def take(self) -> T | None:
        """Takes what is there, if anything."""
        with self._lock:
            item, self._item = self._item, None
            return item
