"""What becomes of a stream's pictures and sound on their way into a film, and of the film when that fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import av
import pytest

from streamer.errors import DiskFullError, FacelaneError, ProcessingError
from streamer.frame import Frame
from streamer.live.facts import PictureFacts
from streamer.live.meter import StreamMeter
from streamer.live.ports import SoundPacket
from streamer.media.encoders import EncodeSettings
from streamer.media.live_file import LiveFileWriter
from streamer.metrics import LiveMetrics
from streamer.recording import Recording
from tests.helpers.living import numbered_frames
from tests.helpers.rtsp import read_number
from web.feeds import FullError

FRAMES = numbered_frames(40)
RATE = 25
SILENCE = b"\xfc\xff\xfe"


class TroubledWriter(LiveFileWriter):
    """Raises `trouble` on the picture `at`, or at the end; waits with each picture until `may_write`."""

    def __init__(self, path: Path, *, trouble: Exception | None = None, at: int | None = None) -> None:
        super().__init__(path, EncodeSettings(), overwrite=False)
        self.trouble, self.at = trouble, at
        self.may_write = Event()
        self.may_write.set()

    def write(self, frame: Frame, *, has_sound: bool) -> int:
        self.may_write.wait()
        if self.trouble is not None and self.pictures == self.at:
            raise self.trouble
        return super().write(frame, has_sound=has_sound)

    def finish(self) -> None:
        super().finish()
        if self.trouble is not None and self.at is None:
            raise self.trouble


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "film.mkv"


@pytest.fixture
def meter() -> Iterator[StreamMeter]:
    meter = LiveMetrics().stream("door")
    yield meter
    meter.close()


def record(recording: Recording, count: int, *, writer: LiveFileWriter | None = None) -> None:
    """So many pictures by their times; `writer`: as fast as this writes them, until the recording is over."""
    begin = time.monotonic()
    for number in range(count):
        frame = replace(FRAMES[number], captured_at=begin + number / RATE)
        recording.show(frame, frame, PictureFacts(number, frame.captured_at))
        while writer is not None and writer.pictures <= number and not recording.is_over:
            assert time.monotonic() < begin + 30
            time.sleep(0.002)


def numbers_in(path: Path) -> list[int | None]:
    with av.open(str(path)) as film:
        return [read_number(frame.to_ndarray(format="gray")) for frame in film.decode(video=0)]


def test_pictures_and_sound_become_a_film(path: Path, meter: StreamMeter) -> None:
    writer = TroubledWriter(path)
    recording = Recording(writer, meter, expects_sound=lambda: True)
    begin = time.monotonic()
    for number in range(40):
        recording.hear(SoundPacket(SILENCE, 1920, begin + number / RATE))
    record(recording, 20, writer=writer)
    assert not recording.is_over
    asyncio.run(recording.aclose())
    asyncio.run(recording.aclose())
    assert recording.failure is None
    assert numbers_in(path) == list(range(20))
    with av.open(str(path)) as film:
        assert len(film.streams.audio) == 1
    assert meter.snapshot().stages_ms["encode"] > 0


@pytest.mark.parametrize("trouble", [MemoryError("no memory\nleft"), DiskFullError("no space left")])
def test_an_error_ends_the_film_and_what_there_is_has_its_name(
    path: Path, meter: StreamMeter, trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    writer = TroubledWriter(path, trouble=trouble, at=4)
    recording = Recording(writer, meter, expects_sound=lambda: False)
    record(recording, 10, writer=writer)
    asyncio.run(recording.aclose())
    assert recording.is_over
    foreseen = isinstance(trouble, FacelaneError)
    assert isinstance(recording.failure, type(trouble) if foreseen else ProcessingError)
    assert str(trouble).splitlines()[0] in str(recording.failure)
    assert len(str(recording.failure).splitlines()) == 1
    assert numbers_in(path) == [0, 1, 2, 3]
    assert list(path.parent.iterdir()) == [path]
    assert any(record.exc_info for record in caplog.records) is not foreseen


def test_an_error_of_the_end_is_told_and_no_error_hides_the_first(path: Path, meter: StreamMeter) -> None:
    writer = TroubledWriter(path, trouble=ValueError("no end"))
    recording = Recording(writer, meter, expects_sound=lambda: False)
    record(recording, 3)
    asyncio.run(recording.aclose())
    assert isinstance(recording.failure, ProcessingError)
    assert "no end" in str(recording.failure)
    assert numbers_in(path) == [0, 1, 2]


def test_without_a_picture_nothing_is_left(path: Path, meter: StreamMeter) -> None:
    recording = Recording(TroubledWriter(path), meter, expects_sound=lambda: False)
    asyncio.run(recording.aclose())
    assert recording.failure is None
    assert not list(path.parent.iterdir())


def test_nothing_is_taken_after_its_time(path: Path, meter: StreamMeter) -> None:
    writer = TroubledWriter(path)
    recording = Recording(writer, meter, expects_sound=lambda: False, duration_seconds=0.5)
    record(recording, 20, writer=writer)
    assert recording.is_over
    asyncio.run(recording.aclose())
    assert numbers_in(path) == list(range(13))


def test_a_time_that_is_over_is_noticed_without_a_picture(path: Path, meter: StreamMeter) -> None:
    recording = Recording(TroubledWriter(path), meter, expects_sound=lambda: False, duration_seconds=0.5)
    frame = replace(FRAMES[0], captured_at=time.monotonic() - 2.0)
    recording.show(frame, frame, PictureFacts(0, frame.captured_at))
    assert recording.is_over
    asyncio.run(recording.aclose())


def test_the_oldest_pictures_go_where_the_disk_is_slow(path: Path, meter: StreamMeter) -> None:
    writer = TroubledWriter(path)
    writer.may_write.clear()
    recording = Recording(writer, meter, expects_sound=lambda: False)
    record(recording, 30)
    writer.may_write.set()
    asyncio.run(recording.aclose())
    kept = numbers_in(path)
    assert kept[-8:] == list(range(22, 30))
    assert meter.snapshot().drops == {"encoder_busy": 30 - len(kept)}


def test_nobody_watches_a_recording(path: Path, meter: StreamMeter) -> None:
    recording = Recording(TroubledWriter(path), meter, expects_sound=lambda: False)
    with pytest.raises(FullError):
        recording.view()
    assert recording.viewers == 0
    asyncio.run(recording.aclose())
