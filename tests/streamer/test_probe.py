"""What a film is, and samples of it."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from streamer.errors import NoVideoError
from streamer.frame import Frame
from streamer.media.probe import damage_of, probe, sample_frames
from tests.helpers.clips import moving_frames, write_clip
from tests.helpers.films import SourceMaker, info_of


def seconds(frame: Frame) -> float:
    return float(frame.pts * frame.time_base)


def test_a_probe_says_what_the_container_says(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    maker = SourceMaker(path, range(0, 2000, 40), Fraction(1, 1000))
    maker.output.metadata["title"] = "A walk"
    maker.output.set_chapters(
        [{"id": 1, "start": 0, "end": 1000, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}}]
    )
    maker.add_tone(2.0)
    maker.add_lines(["Hello", "there"])
    maker.write()
    info = probe(path)
    assert info.path == path
    assert "matroska" in info.container
    assert [stream.kind for stream in info.streams] == ["video", "audio", "subtitle"]
    assert [stream.codec for stream in info.streams] == ["h264", "aac", "subrip"]
    assert (info.video_index, info.codec, info.pix_fmt) == (0, "h264", "yuv420p")
    assert (info.width, info.height, info.sar) == (96, 64, Fraction(1))
    assert (info.rate, info.start, info.frame_count) == (Fraction(25), 0, None)
    assert info.duration_seconds == pytest.approx(2.0, abs=0.1)
    assert info.metadata["title"] == "A walk"
    (chapter,) = info.chapters
    assert (chapter.start, chapter.end * chapter.time_base) == (0, Fraction(1))
    assert dict(chapter.metadata) == {"title": "One"}
    assert info.time_base == info_of(path).time_base


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("key_every", ["10", "1000"])
def test_samples_are_spread_evenly(tmp_path: Path, suffix: str, key_every: str) -> None:
    path = write_clip(
        tmp_path / f"film.{suffix}",
        moving_frames(200),
        codec="libx264",
        options={"g": key_every, "preset": "ultrafast"},
    )
    frames = list(sample_frames(path, 10))
    assert len(frames) == 10
    # A transport stream has no list of key frames to seek by: where they are rare, every 16th frame is the choice.
    off = 0.65 if (suffix, key_every) == ("ts", "1000") else 0.13
    start = probe(path).start * frames[0].time_base
    for part, frame in enumerate(frames):
        assert seconds(frame) - float(start) == pytest.approx((part + 0.5) * 0.8, abs=off)
    assert all(before.pts < after.pts for before, after in pairwise(frames))


def test_a_film_of_unknown_length_is_read_through(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "film.h264", moving_frames(101), codec="libx264", options={"preset": "ultrafast"})
    frames = list(sample_frames(path, 8))
    assert len(frames) == 8
    steps = [after.seq - before.seq for before, after in pairwise(frames)]
    assert min(steps) >= 8
    assert max(steps) <= 17


@pytest.mark.parametrize("count", [1, 3, 5, 50])
def test_a_short_film_gives_what_it_has(tmp_path: Path, count: int) -> None:
    path = write_clip(tmp_path / "film.mkv", moving_frames(5))
    frames = list(sample_frames(path, count))
    assert len(frames) == min(count, 5)
    assert len({frame.pts for frame in frames}) == len(frames)


def test_a_probe_tells_a_cut_film_from_a_whole_one(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "film.mkv", moving_frames(50), codec="libx264")
    assert damage_of(path) is None
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    damage = damage_of(path)
    assert damage is not None
    assert "shorter than its own structure says" in damage


def test_a_sample_of_nothing_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "film.mkv", moving_frames(5))
    with pytest.raises(ValueError, match="at least one"):
        next(sample_frames(path, 0))
    (tmp_path / "lines.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n\n")
    with pytest.raises(NoVideoError):
        probe(tmp_path / "lines.srt")
