"""What the asyncio part of the roof stands on: threads for heavy work, and endings that clean up."""

from __future__ import annotations

import asyncio
import atexit
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NoReturn, ParamSpec, Self, TypeVar

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
LEFT_THREAD = "left"
"""The name that threads get that nobody waits for any more."""
_LOOK_SECONDS = 0.01


class Interrupted(Exception):  # noqa: N818 - a wish, not an error
    """The person, or the system, wants the work to end; all has been cleaned up. `left`: what there is now."""

    def __init__(self, number: signal.Signals, *, left: str = "nothing unfinished was left behind") -> None:
        super().__init__(number.name)
        self.number = number
        self.left = left


class Worker:
    """One named thread that runs one call at a time, in the order of asking.

    A cancelled caller doesn't stop the call that runs; `aclose` waits for it, so that nothing still works on objects
    that are being taken apart. Who is interrupted, used as a context manager, waits `patience_seconds` at most: a heavy
    network takes minutes for a picture that nobody wants any more. That is left to the end of the process, see
    `end_process`.
    """

    def __init__(self, name: str, *, patience_seconds: float = 2.0) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._patience = patience_seconds
        self._asked: list[Future[Any]] = []
        self._thread: threading.Thread | None = None

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        asked = self._executor.submit(self._call, call, args, kwargs)
        self._asked = [*(before for before in self._asked if not before.done()), asked]
        return await asyncio.wrap_future(asked)

    def _call(self, call: Callable[..., R], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> R:
        self._thread = threading.current_thread()
        return call(*args, **kwargs)

    async def aclose(self) -> None:
        """Waits for the running call and ends the thread. May be called twice."""
        await self._end(math.inf)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        is_interrupted = kind is not None and issubclass(kind, asyncio.CancelledError)
        await self._end(self._patience if is_interrupted else math.inf)

    async def _end(self, seconds: float) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
        ends = time.monotonic() + seconds
        while not self._is_left and not all(asked.done() for asked in self._asked):
            if time.monotonic() > ends and self._thread is not None:
                self._thread.name = LEFT_THREAD
            await asyncio.sleep(_LOOK_SECONDS)

    @property
    def _is_left(self) -> bool:
        return self._thread is not None and self._thread.name == LEFT_THREAD


def end_process(code: int) -> NoReturn:
    """Ends the process with that exit code.

    Where a source's thread is left waiting in FFmpeg, that asks for the interpreter every 100 ms, also while the
    libraries end, when there is none any more: it would crash. And the interpreter waits for a thread that computes. So
    then the process ends without the interpreter's and the libraries' own endings, after what was registered to be done
    at exit.
    """
    if not any(thread.name in (SOURCE_THREAD, LEFT_THREAD) for thread in threading.enumerate()):
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
