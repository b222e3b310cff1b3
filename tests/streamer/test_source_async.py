"""The file source as a stream: order, bounds, endings, and being closed in every state."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import av
import pytest
from av.codec.context import ThreadType

from streamer.errors import SourceError
from streamer.frame import Frame
from streamer.media.decode import SourceCounters
from streamer.media.ports import EndOfStream
from streamer.media.reader import FileReader
from streamer.media.source import FileSource, SourceSettings
from tests.helpers.clips import frame_of, moving_frames, noise_samples, write_clip

COUNT = 30


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("film") / "film.mkv", moving_frames(COUNT), codec="libx264")


def decode_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "decode"]


async def receive_all(source: FileSource) -> list[Frame]:
    frames = []
    while True:
        try:
            frames.append(await source.recv())
        except EndOfStream:
            return frames


def test_frames_come_in_order_and_the_end_stays_the_end(film: Path) -> None:
    async def run() -> None:
        source = FileSource(film)
        frames = await receive_all(source)
        assert [frame.seq for frame in frames] == list(range(COUNT))
        assert [frame.captured_at for frame in frames] == sorted(frame.captured_at for frame in frames)
        for _ in range(2):
            with pytest.raises(EndOfStream):
                await source.recv()
        assert source.damaged is None
        assert source.counters.corrupt_packets == 0
        await source.aclose()
        await source.aclose()

    asyncio.run(run())
    assert decode_threads() == []


def test_decoding_runs_ahead_by_a_bounded_number_of_frames(film: Path) -> None:
    async def run() -> float:
        source = FileSource(film, SourceSettings(queue_frames=3))
        await source.recv()
        await asyncio.sleep(0.3)
        resumed = time.monotonic()
        frames = await receive_all(source)
        await source.aclose()
        # Three in the queue, one for the received one's room, one in the decoding thread's hand.
        assert sum(frame.captured_at < resumed for frame in frames) <= 5
        assert len(frames) == COUNT - 1
        return resumed

    assert asyncio.run(run()) > 0


@pytest.mark.parametrize("received", [0, 1, 10, COUNT])
def test_closing_in_any_state_ends_the_thread_and_the_stream(film: Path, received: int) -> None:
    async def run() -> None:
        source = FileSource(film, SourceSettings(queue_frames=2))
        for _ in range(received):
            await source.recv()
        await source.aclose()
        assert decode_threads() == []
        with pytest.raises(EndOfStream):
            await source.recv()

    asyncio.run(run())


def test_closing_ends_a_recv_that_waits(film: Path) -> None:
    async def run() -> None:
        source = FileSource(film)
        frames = await receive_waiting(source)
        assert 0 < frames <= COUNT

    async def receive_waiting(source: FileSource) -> int:
        waiting = asyncio.create_task(receive_all(source))
        await asyncio.sleep(0.01)
        await source.aclose()
        return len(await waiting)

    asyncio.run(run())
    assert decode_threads() == []


def test_a_cancelled_recv_loses_nothing(film: Path) -> None:
    async def run() -> None:
        source = FileSource(film)
        waiting = asyncio.create_task(source.recv())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert [frame.seq for frame in await receive_all(source)] == list(range(COUNT))
        await source.aclose()

    asyncio.run(run())


def test_it_closes_without_a_loop_too(film: Path) -> None:
    source = FileSource(film)
    source.close()
    source.close()
    source = FileSource(film, SourceSettings(queue_frames=1))

    async def abandon() -> Frame:
        return await source.recv()

    assert asyncio.run(abandon()).seq == 0
    source.close()
    assert decode_threads() == []


def test_an_error_in_mid_stream_reaches_recv(tmp_path: Path) -> None:
    """A film that turns into one that would come out wrong."""
    right = [frame_of("yuv420p", noise_samples("yuv420p", 48, 64), space=1) for _ in range(5)]
    good = write_clip(tmp_path / "a.ts", right, codec="libx264", options={"bf": "0"})
    wrong = [frame_of("yuv444p", noise_samples("yuv444p", 48, 64), space=8) for _ in range(5)]
    bad = write_clip(tmp_path / "b.ts", wrong, codec="libx264", options={"bf": "0"}, times=range(5, 10))
    path = tmp_path / "both.ts"
    path.write_bytes(good.read_bytes() + bad.read_bytes())

    async def run() -> None:
        source = FileSource(path)
        with pytest.raises(SourceError, match="YCgCo"):
            await receive_all(source)
        with pytest.raises(SourceError, match="YCgCo"):
            await source.recv()
        await source.aclose()

    asyncio.run(run())
    assert decode_threads() == []


@pytest.mark.parametrize("wrong", [{"queue_frames": 0}, {"decoder_threads": -1}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SourceSettings(**wrong)  # type: ignore[arg-type]  # wrong on purpose


REAL = [
    "cctv_432p_10fps.mp4",
    "crowd_1080p.mp4",
    "sign_vga.mkv",
    "stage_360p_cuts.mp4",
    "talking_d9.mp4",
    "talking_d18.mp4",
]


@pytest.mark.shared
@pytest.mark.parametrize("name", REAL)
def test_real_clips_give_every_frame_at_its_time(shared_data: Path, name: str) -> None:
    path = shared_data / "videos" / name
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = ThreadType.AUTO
        wanted = [frame.pts for frame in container.decode(video=0)]
    with FileReader(path) as reader:
        assert [frame.pts for frame in reader] == wanted
    assert reader.damaged is None
    assert reader.counters == SourceCounters()
