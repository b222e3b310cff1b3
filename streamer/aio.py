"""What the asyncio part of the roof stands on: threads for heavy work, and endings that clean up."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

SIGNALS = tuple(
    number
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # What was told to be ignored before we began stays so: that is how nohup works.
    if signal.getsignal(number) is not signal.SIG_IGN
)
"""What ends a run in good order: Ctrl-C, the system's wish, a terminal that was closed."""


SOURCE_THREAD = "source-read"
"""The name of threads that may be left to the time limit of a connection that hangs."""


class Interrupted(Exception):  # noqa: N818 - a wish, not an error
    """The person, or the system, wants the work to end; all has been cleaned up. `left`: what there is now."""

    def __init__(self, number: signal.Signals, *, left: str = "nothing unfinished was left behind") -> None:
        super().__init__(number.name)
        self.number = number
        self.left = left


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


def end_process(code: int) -> NoReturn:
    """Ends the process with that exit code.

    Where a source's thread is left waiting in FFmpeg, that asks for the interpreter every 100 ms, also while the
    libraries end, when there is none any more: it would crash. So then the process ends without the interpreter's and
    the libraries' own endings, after what was registered to be done at exit.
    """
    if not any(thread.name == SOURCE_THREAD for thread in threading.enumerate()):
        sys.exit(code)
    atexit._run_exitfuncs()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run_interruptible(main: Coroutine[Any, Any, R]) -> R:
    """Runs `main` to its end in a loop of its own.

    Any of `SIGNALS` cancels it, once, and never hit it in the middle of a step; more of them while it cleans up
    and after change nothing.

    Raises Interrupted when `main` has ended because of a signal. Only for the main thread.
    """
    return asyncio.run(_guarded(main))


async def _guarded(main: Coroutine[Any, Any, R]) -> R:
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    task = asyncio.ensure_future(main)
    received: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        if not received:
            received.append(number)
            task.cancel()

    for number in SIGNALS:
        loop.add_signal_handler(number, end, number)
    try:
        return await task
    except asyncio.CancelledError:
        if received:
            raise Interrupted(received[0]) from None
        raise
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN if received else before[number])
