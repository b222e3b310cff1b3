"""Those who wait for a stream to change."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

State = TypeVar("State")

_TELL_SECONDS = 1.0
_SOONEST_SECONDS = 0.05


class Listeners(Generic[State]):
    """Tells each listener of the state, by `tell`; made and used on one event loop, but for `changed`."""

    def __init__(self, tell: Callable[[], State]) -> None:
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._events: set[asyncio.Event] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._events)

    async def changes(self) -> AsyncIterator[State]:
        """The state now, on every change, and once a second; ends with `close`."""
        event = asyncio.Event()
        self._events.add(event)
        try:
            while not self._closed:
                event.clear()
                yield self._tell()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), _TELL_SECONDS)
                # Changes come in handfuls.
                await asyncio.sleep(_SOONEST_SECONDS)
        finally:
            self._events.discard(event)

    def changed(self) -> None:
        """From any thread."""
        if not self._closed:
            self._loop.call_soon_threadsafe(self._notify)

    def close(self) -> None:
        self._closed = True
        self._notify()

    def _notify(self) -> None:
        for event in self._events:
            event.set()
