"""What the asyncio part of the roof stands on: work that must not run on the event loop has a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Worker:
    """One named thread that runs one call at a time, in the order of asking.

    A cancelled caller doesn't stop the call that runs; `aclose` waits for it, so that nothing still works on objects
    that are being taken apart.
    """

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: call(*args, **kwargs))

    async def aclose(self) -> None:
        """Waits for the running call and ends the thread. May be called twice."""
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)
