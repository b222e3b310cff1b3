"""The stream: every frame in order to the end, or nothing left and the error told."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import numpy as np
import pytest

from streamer.color import ColorSpec
from streamer.errors import SinkError, SourceError
from streamer.frame import Frame, FrameReport
from streamer.media.ports import EndOfStream
from streamer.pipeline import Processed
from streamer.stream import Stream


class Source:
    """Gives `count` frames, then ends, or raises `error`."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self._count, self._error = count, error
        self.given = 0
        self.closed = 0

    async def recv(self) -> Frame:
        if self.given == self._count:
            raise self._error or EndOfStream
        self.given += 1
        plane = np.zeros((2, 2), np.uint8)
        return Frame(plane, plane[:1, :1], plane[:1, :1], ColorSpec(), self.given, Fraction(1), self.given, 0.0)

    async def aclose(self) -> None:
        self.closed += 1


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
        self.closed = 0

    async def send(self, processed: Processed) -> None:
        if processed.frame.seq == self._fail_at:
            raise SinkError("full")
        self.sent.append(processed.frame.seq)

    async def finish(self) -> None:
        self.finished = True

    async def aclose(self) -> None:
        self.closed += 1


def test_every_frame_arrives_in_order_and_is_observed() -> None:
    source, outlet, seen = Source(50), Outlet(), []
    stream = Stream(source, Way(), outlet, observe=lambda done: seen.append(done.report.seq))
    asyncio.run(stream.run())
    assert outlet.sent == seen == list(range(1, 51))
    assert outlet.finished
    assert source.closed == outlet.closed == 1


@pytest.mark.parametrize(
    ("source", "way", "outlet", "error"),
    [
        (Source(5, SourceError("gone")), Way(), Outlet(), SourceError),
        (Source(5), Way(fail_at=3), Outlet(), RuntimeError),
        (Source(5), Way(), Outlet(fail_at=3), SinkError),
    ],
)
def test_an_error_anywhere_closes_all_and_finishes_nothing(
    source: Source, way: Way, outlet: Outlet, error: type[Exception]
) -> None:
    with pytest.raises(error):
        asyncio.run(Stream(source, way, outlet, observe=lambda _: None).run())
    assert not outlet.finished
    assert source.closed == outlet.closed == 1


def test_cancelling_closes_all() -> None:
    source, outlet = Source(10**9), Outlet()

    async def run() -> None:
        task = asyncio.create_task(Stream(source, Way(), outlet, observe=lambda _: None).run())
        while len(outlet.sent) < 10:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert not outlet.finished
    assert source.closed == outlet.closed == 1
