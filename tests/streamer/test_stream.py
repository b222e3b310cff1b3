"""The stream: every frame in order to the end, or nothing left and the error told."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from streamer.aio import SIGNALS, Interrupted, Worker, run_interruptible
from streamer.color import ColorSpec
from streamer.errors import ProcessingError, SinkError, SourceError
from streamer.frame import Frame, FrameReport
from streamer.media.ports import EndOfStream
from streamer.pipeline import Processed
from streamer.stream import Stream


class Source:
    """Gives `count` frames, then ends, or raises `error`."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self._count, self._error = count, error
        self.given = 0

    async def recv(self) -> Frame:
        if self.given == self._count:
            raise self._error or EndOfStream
        self.given += 1
        plane = np.zeros((2, 2), np.uint8)
        return Frame(plane, plane[:1, :1], plane[:1, :1], ColorSpec(), self.given, Fraction(1), self.given, 0.0)

    async def aclose(self) -> None:
        return None


class Way:
    def __init__(self, fail_at: int = -1) -> None:
        self._fail_at = fail_at

    def process(self, frame: Frame) -> Processed:
        if frame.seq == self._fail_at:
            raise RuntimeError("broken way")
        return Processed(frame, None, FrameReport(frame.seq, {}))


class Outlet:
    def __init__(self, fail_at: int = -1) -> None:
        self._fail_at = fail_at
        self.sent: list[int] = []
        self.finished = False

    async def send(self, processed: Processed) -> None:
        if processed.frame.seq == self._fail_at:
            raise SinkError("full")
        self.sent.append(processed.frame.seq)

    async def finish(self) -> None:
        self.finished = True

    async def aclose(self) -> None:
        return None


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """A run that a signal ended leaves signals ignored, for a program that is about to end; tests go on."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def play(source: Source, way: Way, outlet: Outlet, seen: list[int] | None = None) -> None:
    told = [] if seen is None else seen
    async with Worker("test") as worker:
        await Stream(source, way, outlet, worker, observe=lambda done, _: told.append(done.report.seq)).run()


def test_every_frame_arrives_in_order_and_is_observed() -> None:
    outlet = Outlet()
    seen: list[int] = []
    asyncio.run(play(Source(50), Way(), outlet, seen))
    assert outlet.sent == seen == list(range(1, 51))
    assert outlet.finished


@pytest.mark.parametrize(
    ("source", "way", "outlet", "error"),
    [
        (Source(5, SourceError("gone")), Way(), Outlet(), SourceError),
        (Source(5), Way(fail_at=3), Outlet(), ProcessingError),
        (Source(5), Way(), Outlet(fail_at=3), SinkError),
    ],
)
def test_an_error_anywhere_finishes_nothing(source: Source, way: Way, outlet: Outlet, error: type[Exception]) -> None:
    with pytest.raises(error):
        asyncio.run(play(source, way, outlet))
    assert not outlet.finished


def test_an_unforeseen_error_names_the_frame_in_one_line() -> None:
    with pytest.raises(ProcessingError, match=r"^frame 3 can't be processed: RuntimeError: broken way$"):
        asyncio.run(play(Source(5), Way(fail_at=3), Outlet()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_once_and_cleaning_up_is_never_cut_short(number: signal.Signals) -> None:
    cleaned: list[str] = []

    async def main() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.sleep(60)
        finally:
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.05)
            cleaned.append("all")

    with pytest.raises(Interrupted) as caught:
        run_interruptible(main())
    assert caught.value.number is number
    assert cleaned == ["all"]


def test_a_run_without_signals_gives_its_result_and_its_errors() -> None:
    async def main(fail: bool) -> int:
        if fail:
            raise SinkError("full")
        return 3

    assert run_interruptible(main(False)) == 3
    with pytest.raises(SinkError, match="full"):
        run_interruptible(main(True))


HEAVY = """
import asyncio, signal, sys, time
from streamer.aio import Interrupted, Worker, end_process, run_interruptible

async def main():
    async with Worker("heavy", patience_seconds=0.2) as worker:
        print("computing", flush=True)
        await worker.run(time.sleep, 600)

try:
    run_interruptible(main())
except Interrupted as ending:
    print("ended", ending.number.name, flush=True)
    end_process(128 + ending.number)
"""


def test_who_is_interrupted_does_not_wait_for_a_picture_of_minutes() -> None:
    command = [sys.executable, "-c", HEAVY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "computing\n"
        process.send_signal(signal.SIGINT)
        said, wrong = process.communicate(timeout=30)
    assert (said, wrong, process.returncode) == ("ended SIGINT\n", "", 130)
