"""From other threads to the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Hands items to `take` on the event loop `loop`, in order, each by one callback. Holds no more than `most`, so
    that a loop that stands still costs no memory."""

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Callable[[Item], None], *, most: int) -> None:
        self._loop, self._take, self._most = loop, take, most
        self._items: deque[Item] = deque()

    @property
    def is_full(self) -> bool:
        return len(self._items) >= self._most

    def post(self, item: Item) -> bool:
        """From any thread; False where there was no room. Raises RuntimeError when the loop is closed."""
        if self.is_full:
            return False
        self._items.append(item)
        self._loop.call_soon_threadsafe(self._hand_over)
        return True

    def _hand_over(self) -> None:
        self._take(self._items.popleft())
