"""The sink on its thread: in step, bounded, and closed in every state."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import pytest

from streamer.errors import SinkError
from streamer.frame import Frame
from streamer.media.encoders import EncodeSettings
from streamer.media.info import SourceInfo
from streamer.media.ports import FrameSink
from streamer.media.sink import FileSink
from tests.helpers.films import SourceMaker, frames_at, info_of, times_of

TICK = Fraction(1, 25)


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> SourceInfo:
    path = tmp_path_factory.mktemp("source") / "source.mp4"
    SourceMaker(path, range(3), TICK).write()
    return info_of(path)


def make(path: Path, info: SourceInfo) -> FileSink:
    return FileSink(path / "out.mp4", info, EncodeSettings(), overwrite=False)


def test_it_is_a_frame_sink_that_writes_every_frame_in_order(tmp_path: Path, info: SourceInfo) -> None:
    async def run() -> None:
        sink: FrameSink = make(tmp_path, info)
        for frame in frames_at(range(50), TICK):
            await sink.send(frame)
        await sink.finish()
        await sink.aclose()

    asyncio.run(run())
    assert times_of(tmp_path / "out.mp4") == [k * TICK for k in range(50)]


async def send_all(sink: FileSink, frames: Iterable[Frame]) -> None:
    for frame in frames:
        await sink.send(frame)


def gated(gate: threading.Event, frame: Frame) -> Callable[[], Frame]:
    def make_frame() -> Frame:
        # Long enough for any test, short enough that one that fails does not hang.
        gate.wait(timeout=2)
        return frame

    return make_frame


def test_a_full_queue_makes_the_sender_wait(tmp_path: Path, info: SourceInfo) -> None:
    async def run() -> None:
        sink, gate, sent = make(tmp_path, info), threading.Event(), 0

        async def pump() -> None:
            nonlocal sent
            for frame in frames_at(range(20), TICK):
                await sink.send_made(gated(gate, frame))
                sent += 1

        task = asyncio.create_task(pump())
        for _ in range(100):
            await asyncio.sleep(0)
        assert sent == 4
        gate.set()
        await task
        assert sent == 20
        await sink.finish()
        await sink.aclose()

    asyncio.run(run())
    assert len(times_of(tmp_path / "out.mp4")) == 20


def test_a_sender_that_gives_up_loses_no_frame(tmp_path: Path, info: SourceInfo) -> None:
    async def run() -> None:
        sink, gate = make(tmp_path, info), threading.Event()
        frames = list(frames_at(range(6), TICK))
        for frame in frames[:4]:
            await sink.send_made(gated(gate, frame))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sink.send(frames[4]), 0.01)
        gate.set()
        for frame in frames[4:]:
            await sink.send(frame)
        await sink.finish()
        await sink.aclose()

    asyncio.run(run())
    assert len(times_of(tmp_path / "out.mp4")) == 6


def test_what_fails_on_the_thread_is_raised_to_the_sender(tmp_path: Path, info: SourceInfo) -> None:
    async def run() -> None:
        sink = make(tmp_path, info)
        await sink.send(next(frames_at([0], TICK)))
        with pytest.raises(SinkError, match="scale it first"):
            await send_all(sink, frames_at(range(1, 20), TICK, size=(64, 64)))
        await sink.aclose()

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def test_a_late_failure_is_raised_by_finish(tmp_path: Path, info: SourceInfo) -> None:
    async def run() -> None:
        sink = make(tmp_path, info)
        await sink.send(next(frames_at([0], TICK)))
        await sink.send(next(frames_at([1], TICK, size=(64, 64))))
        with pytest.raises(SinkError, match="scale it first"):
            await sink.finish()
        await sink.aclose()

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("frames", [0, 1, 3])
def test_closing_without_finish_leaves_nothing(tmp_path: Path, info: SourceInfo, frames: int) -> None:
    async def run() -> None:
        sink = make(tmp_path, info)
        for frame in frames_at(range(frames), TICK):
            await sink.send(frame)
        await sink.aclose()
        await sink.aclose()

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def test_closing_after_finish_keeps_the_film(tmp_path: Path, info: SourceInfo) -> None:
    async def run() -> None:
        sink = make(tmp_path, info)
        await sink.send(next(frames_at([0], TICK)))
        await sink.finish()
        await sink.aclose()
        sink.discard()

    asyncio.run(run())
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_closing_drops_what_waits_and_ends_the_thread(tmp_path: Path, info: SourceInfo) -> None:
    async def run() -> None:
        sink, gate = make(tmp_path, info), threading.Event()
        for frame in frames_at(range(4), TICK):
            await sink.send_made(gated(gate, frame))
        closing = asyncio.create_task(sink.aclose())
        await asyncio.sleep(0.01)
        gate.set()
        await closing

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("encode-out")]


def test_a_cancelled_job_leaves_nothing(tmp_path: Path, info: SourceInfo) -> None:
    async def job() -> None:
        sink = make(tmp_path, info)
        try:
            for frame in frames_at(range(10_000), TICK):
                await sink.send(frame)
        finally:
            await sink.aclose()

    async def run() -> None:
        task = asyncio.create_task(job())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def test_a_sink_without_a_loop_can_be_dropped(tmp_path: Path, info: SourceInfo) -> None:
    sink = make(tmp_path, info)
    assert len(list(tmp_path.iterdir())) == 1
    sink.discard()
    assert list(tmp_path.iterdir()) == []
