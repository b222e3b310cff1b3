"""Calls that may wait for a name server, where nobody else waits with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import BoundedSemaphore, Thread
from typing import TypeVar

from web.feeds import FullError

R = TypeVar("R")


class Lookups:
    """Each call has a thread of its own, `most` of them at a time. Nothing can interrupt one, and nothing waits for it
    but who asked: neither another stream's end nor the process'."""

    def __init__(self, *, most: int) -> None:
        self._free = BoundedSemaphore(most)

    async def run(self, call: Callable[[], R]) -> R:
        """Raises FullError where there are too many already, and what `call` raises."""
        if not self._free.acquire(blocking=False):
            raise FullError("the names of other sources are still being looked up: try again later")
        done = Future[R]()
        done.set_running_or_notify_cancel()
        Thread(target=self._run, args=(call, done), name="look up", daemon=True).start()
        return await asyncio.wrap_future(done)

    def _run(self, call: Callable[[], R], done: Future[R]) -> None:
        try:
            result = call()
        except BaseException as error:
            self._free.release()
            done.set_exception(error)
        else:
            self._free.release()
            done.set_result(result)
