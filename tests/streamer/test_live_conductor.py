from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine

import pytest

from streamer.aio import LEFT_THREAD
from streamer.live.conductor import Conductor
from tests.helpers.living import until


class Busy:
    """A work that always, or `frames` times, has a frame, each of which takes `seconds`."""

    def __init__(self, seconds: float, *, frames: int | None = None, error: Exception | None = None) -> None:
        self._seconds = seconds
        self._error = error
        self.left = frames
        self.steps = 0
        self.shares: list[float] = []
        self.is_running = False

    @property
    def is_waiting(self) -> bool:
        return self.left is None or self.left > 0

    def step(self, share: float) -> None:
        self.is_running = True
        self.left = None if self.left is None else self.left - 1
        self.steps += 1
        self.shares.append(share)
        time.sleep(self._seconds)
        self.is_running = False
        if self._error is not None:
            raise self._error


class Endless:
    """A work whose frame takes as long as the test wants."""

    is_waiting = True

    def __init__(self) -> None:
        self.began, self.may_end = threading.Event(), threading.Event()

    def step(self, share: float) -> None:
        self.began.set()
        self.may_end.wait()
        raise RuntimeError(f"with a share of {share}, and what it worked with closed")


def run(main: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 30))


def test_time_is_shared_evenly_whatever_a_frame_costs() -> None:
    async def main() -> None:
        conductor = Conductor()
        cheap, dear = Busy(0.002), Busy(0.02)
        for work in (cheap, dear):
            conductor.join(work)
        conductor.start()
        await asyncio.sleep(1.0)
        await conductor.aclose()
        assert 5 < cheap.steps / dear.steps < 15
        # The longer both are at it, the nearer to a half each.
        assert all(0.5 <= work.shares[-1] < 0.85 for work in (cheap, dear))

    run(main())


def test_an_idle_stream_saves_no_time_up_and_does_not_starve_the_others() -> None:
    async def main() -> None:
        conductor = Conductor()
        busy, late = Busy(0.002), Busy(0.002, frames=0)
        conductor.join(busy)
        conductor.join(late)
        conductor.start()
        await asyncio.sleep(0.6)
        before = busy.steps
        late.left = None
        await asyncio.sleep(0.4)
        await conductor.aclose()
        assert busy.steps - before > late.steps / 2
        assert late.steps > (busy.steps - before) / 2

    run(main())


def test_what_others_leave_is_ones_own() -> None:
    async def main() -> None:
        conductor = Conductor()
        alone = Busy(0.005)
        seat = conductor.join(alone)
        conductor.start()
        await until(lambda: alone.steps > 20)
        assert alone.shares[-1] == 1.0
        modest = Busy(0.0, frames=0)
        conductor.join(modest)
        await asyncio.sleep(0.1)
        assert alone.shares[-1] == 1.0
        await conductor.leave(seat)
        await conductor.aclose()

    run(main())


def test_one_streams_errors_do_not_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        conductor = Conductor()
        bad, good = Busy(0.0, frames=3, error=RuntimeError("broken")), Busy(0.001)
        conductor.join(bad)
        conductor.join(good)
        conductor.start()
        await until(lambda: bad.steps == 3 and good.steps > 10)
        assert conductor.is_alive
        await conductor.aclose()
        assert not conductor.is_alive

    run(main())
    assert caplog.text.count("broken") == 3


def test_who_left_is_not_running_any_more() -> None:
    async def main() -> None:
        conductor = Conductor()
        work = Busy(0.1)
        seat = conductor.join(work)
        conductor.start()
        await until(lambda: work.is_running)
        await conductor.leave(seat)
        steps = work.steps
        assert not work.is_running
        await asyncio.sleep(0.2)
        assert work.steps == steps
        await conductor.leave(seat)
        await conductor.aclose()

    run(main())


def test_it_prepares_first_on_the_same_thread_and_waits_for_work_without_turning() -> None:
    async def main() -> None:
        threads: list[int] = []
        conductor = Conductor(lambda: threads.append(threading.get_ident()))
        assert not conductor.is_ready
        conductor.start()
        await until(lambda: conductor.is_ready)
        work = Busy(0.0, frames=0)
        conductor.join(work)
        before = time.process_time()
        await asyncio.sleep(0.3)
        assert time.process_time() - before < 0.15
        work.left = 1
        conductor.wake()
        await until(lambda: work.steps == 1)
        await conductor.aclose()
        assert len(threads) == 1
        assert threads[0] != threading.get_ident()

    run(main())


def test_a_failure_to_prepare_is_told_and_frames_are_tried_all_the_same() -> None:
    async def main() -> None:
        def fail() -> None:
            raise ValueError("no memory")

        conductor = Conductor(fail)
        work = Busy(0.0, frames=1)
        conductor.join(work)
        conductor.start()
        await until(lambda: work.steps == 1)
        assert conductor.failure == "the networks could not be prepared: no memory"
        await conductor.aclose()

    run(main())


def test_it_can_be_closed_twice_and_without_having_been_started() -> None:
    async def main() -> None:
        conductor = Conductor()
        await conductor.aclose()
        await conductor.aclose()

    run(main())


def test_at_the_end_of_all_a_picture_of_minutes_is_not_waited_for() -> None:
    async def main() -> None:
        conductor, heavy = Conductor(), Endless()
        seat = conductor.join(heavy)
        conductor.start()
        await until(heavy.began.is_set)
        conductor.hurry(0.1)
        await conductor.leave(seat)
        await conductor.aclose()
        # So that the process does not wait for it, either.
        assert LEFT_THREAD in {thread.name for thread in threading.enumerate()}
        heavy.may_end.set()
        await until(lambda: not conductor.is_alive)

    run(main())
