"""One thread computes for all live streams, and is fair to them.

One, because the networks use all cores by themselves: two frames at once would only be late both. Faces are not
batched across streams: experts are faster on two faces at once than on one twice (4.3 ms a face for 5.5, 5.0 for 6.6,
on two cores; four at once gain another 5 to 9 %), but a stream's own faces are batched already, and of a whole frame
with one face the gain is 10 % at best, for which each would have to wait for the other's frame.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from threading import Condition, Thread
from typing import Protocol

from streamer.aio import LEFT_THREAD

logger = logging.getLogger(__name__)

LATELY = 1.0
"""Seconds over which the use of the machine is averaged."""
BUSY = 0.02
"""A stream that uses less than this share of the machine is idle."""
_LOOK_SECONDS = 1.0


class Work(Protocol):
    """What has a frame to process now and then."""

    @property
    def is_waiting(self) -> bool:
        """Whether there is a frame to process. Costs nothing; from any thread."""
        ...

    def step(self, share: float) -> None:
        """Processes the frame that waits. On the conductor's thread. `share`: of the machine's time, that this may
        use, 0 to 1."""
        ...


class Seat:
    """A work's place with the conductor."""

    def __init__(self, work: Work, *, spent: float) -> None:
        self.work = work
        self.spent = spent
        self._usage = 0.0
        self._usage_at = -math.inf

    def charge(self, seconds: float, now: float) -> None:
        self.spent += seconds
        self._usage = self.usage(now) + seconds / LATELY
        self._usage_at = now

    def usage(self, now: float) -> float:
        """The share of the machine that this had lately."""
        return self._usage * math.exp(min(self._usage_at - now, 0.0) / LATELY)


class Conductor:
    """Serves, of the works that wait, the one that has had the least compute time; who was idle can't save time up.

    `prepare` is called first, on the same thread: what the first frames would have to wait for. If it raises, `failure`
    says so, and frames are tried all the same. Make it anywhere, `start` it, `aclose` it.
    """

    def __init__(self, prepare: Callable[[], None] | None = None) -> None:
        self._prepare = prepare
        self._changed = Condition()
        self._seats: list[Seat] = []
        self._serving: Seat | None = None
        self._spent = 0.0
        self._closed = False
        self._deadline = math.inf
        self._ready = False
        self._failure: str | None = None
        self._thread = Thread(target=self._run, name="conductor", daemon=True)

    @property
    def is_ready(self) -> bool:
        """Whether all is prepared, or could not be."""
        return self._ready

    @property
    def failure(self) -> str | None:
        """Why preparing failed, in one line."""
        return self._failure

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def join(self, work: Work) -> Seat:
        """A place for `work`, from now on."""
        with self._changed:
            seat = Seat(work, spent=self._spent)
            self._seats.append(seat)
            self._changed.notify_all()
            return seat

    def wake(self) -> None:
        """Some work has a frame now. From any thread."""
        with self._changed:
            self._changed.notify_all()

    def hurry(self, seconds: float = 2.0) -> None:
        """All of it ends: from now on a step that runs is waited for so long, and then left to the end of the process
        (`streamer.aio.end_process`). A heavy network takes minutes for a picture."""
        with self._changed:
            self._deadline = min(self._deadline, time.monotonic() + seconds)
            self._changed.notify_all()

    async def leave(self, seat: Seat) -> None:
        """Takes the place away; returns when no step of it runs any more, or `hurry`'s time is over. May be called
        twice."""
        with self._changed:
            if seat in self._seats:
                self._seats.remove(seat)
            running = self._serving is seat
        if running:
            await asyncio.to_thread(self._wait_for, seat)

    async def aclose(self) -> None:
        """Ends the thread, after the step that runs, or leaves it as `hurry` says. May be called twice, and without
        `start`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        while self._thread.is_alive() and self._left_seconds > 0:
            await asyncio.to_thread(self._thread.join, min(self._left_seconds, _LOOK_SECONDS))
        if self._thread.is_alive():
            self._thread.name = LEFT_THREAD

    @property
    def _left_seconds(self) -> float:
        return self._deadline - time.monotonic()

    def _wait_for(self, seat: Seat) -> None:
        with self._changed:
            while self._serving is seat and self._left_seconds > 0:
                self._changed.wait(min(self._left_seconds, _LOOK_SECONDS))

    def _run(self) -> None:
        self._get_ready()
        while (seat := self._next()) is not None:
            started = time.perf_counter()
            try:
                seat.work.step(self._share(seat, time.monotonic()))
            except Exception:
                if self._left_seconds <= 0:
                    # What it worked with is closed by now.
                    logger.debug("a frame that was left to itself failed", exc_info=True)
                    return
                # A work tells of its own failures; whatever it did not foresee must not end the others.
                logger.exception("a stream's frame failed in a way that it did not foresee")
            self._done(seat, time.perf_counter() - started)

    def _get_ready(self) -> None:
        try:
            if self._prepare is not None:
                self._prepare()
        except Exception as error:
            self._failure = f"the networks could not be prepared: {error}"
            logger.info("preparing failed", exc_info=error)
        self._ready = True

    def _next(self) -> Seat | None:
        """The next to be served, as soon as there is one; None at the end."""
        with self._changed:
            while not self._closed:
                waiting = [seat for seat in self._seats if seat.work.is_waiting]
                if waiting:
                    self._serving = min(waiting, key=lambda seat: seat.spent)
                    self._spent = max(self._spent, self._serving.spent)
                    return self._serving
                self._changed.wait()
        return None

    def _done(self, seat: Seat, seconds: float) -> None:
        with self._changed:
            seat.charge(seconds, time.monotonic())
            # Idle streams are led along, or they would have the machine for themselves when they come back.
            for other in self._seats:
                if not other.work.is_waiting:
                    other.spent = max(other.spent, self._spent)
            self._serving = None
            self._changed.notify_all()

    def _share(self, seat: Seat, now: float) -> float:
        """What the others leave, and no less than a fair part."""
        with self._changed:
            others = [usage for each in self._seats if each is not seat and (usage := each.usage(now)) > BUSY]
        return max(1.0 / (1 + len(others)), 1.0 - sum(others))
