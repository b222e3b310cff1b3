from __future__ import annotations

import os
import resource
import signal
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from streamer.demo import FRAMES, RATE, SAMPLE_RATE, TICK_HERTZ, TICK_SECONDS, TILE, build_sample
from streamer.errors import DiskFullError, SinkError
from weights.store import Store

Image = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def meeting(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "meeting.mp4"
    assert build_sample(store, path) == path
    return path


@pytest.fixture(scope="module")
def lumas(meeting: Path) -> list[Image]:
    with av.open(meeting) as container:
        return [frame.to_ndarray(format="gray").astype(np.uint8) for frame in container.decode(video=0)]


def test_the_meeting_is_a_whole_film_with_sound(meeting: Path, lumas: list[Image]) -> None:
    with av.open(meeting) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.width, video.height) == ("h264", 2 * TILE[0], 2 * TILE[1])
        assert video.average_rate == RATE
        assert (audio.codec_context.name, audio.sample_rate) == ("aac", SAMPLE_RATE)
        sounding = (audio.duration or 0) * (audio.time_base or Fraction(0))
        assert abs(sounding - FRAMES / RATE) < Fraction(1, 10)
    assert len(lumas) == FRAMES
    assert [path.name for path in meeting.parent.iterdir()] == [meeting.name]


def test_every_tile_shows_something_that_moves(lumas: list[Image]) -> None:
    first, later = lumas[0].astype(float), lumas[FRAMES // 3].astype(float)
    for row in (0, 1):
        for column in (0, 1):
            there = np.s_[row * TILE[1] : (row + 1) * TILE[1], column * TILE[0] : (column + 1) * TILE[0]]
            assert first[there].std() > 20
            assert np.abs(first[there] - later[there]).mean() > 1


def test_sound_and_picture_tick_together(meeting: Path, lumas: list[Image]) -> None:
    centre = np.s_[TILE[1] - 4 : TILE[1] + 4, TILE[0] - 4 : TILE[0] + 4]
    white = [index for index, luma in enumerate(lumas) if luma[centre].mean() > 200]
    with av.open(meeting) as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    # The tick is the loudest there is at its frequency; a window of its own length finds where it begins.
    window = int(TICK_SECONDS * SAMPLE_RATE)
    carrier = np.exp(-2j * np.pi * TICK_HERTZ / SAMPLE_RATE * np.arange(window))
    starts = range(0, sound.size - window, window // 4)
    loudness = np.array([abs(sound[start : start + window] @ carrier) for start in starts])
    for index in white:
        second = round(index / RATE)
        near = slice(int((second - 0.2) * SAMPLE_RATE / (window // 4)) if second else 0, None)
        heard = (near.start + int(loudness[near][:80].argmax())) * (window // 4) / SAMPLE_RATE
        assert abs(heard - second) < TICK_SECONDS
        assert 0 <= index / RATE - second < 1 / RATE
    assert len(white) == int(FRAMES / RATE)


def test_nothing_is_left_where_the_film_cannot_be_written(store: Store, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="can't be written"):
        build_sample(store, tmp_path / "absent" / "meeting.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_the_films_name_is_named_and_kept(store: Store, tmp_path: Path) -> None:
    (tmp_path / "meeting.mp4").mkdir()
    with pytest.raises(SinkError, match=r"meeting\.mp4 can't be written"):
        build_sample(store, tmp_path / "meeting.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["meeting.mp4"]


def test_a_full_disk_is_called_that(store: Store, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, hard))
    try:
        with pytest.raises(DiskFullError):
            build_sample(store, tmp_path / "meeting.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_by_an_interruption(store: Store, tmp_path: Path) -> None:
    def interrupt() -> None:
        while not list(tmp_path.iterdir()):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        build_sample(store, tmp_path / "meeting.mp4")
    thread.join()
    assert list(tmp_path.iterdir()) == []
