"""Timestamps: kept as they are, mended where they can't be."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from streamer.media.reader import FileReader
from streamer.media.timeline import Timeline
from tests.helpers.clips import moving_frames, write_clip

MILLISECOND = Fraction(1, 1000)


def timeline(*, start: int | None = 0) -> Timeline:
    """In milliseconds at 25 frames a second."""
    return Timeline(MILLISECOND, Fraction(25), start=start)


def placed(line: Timeline, times: Sequence[int | None]) -> list[int]:
    return [line.place(time, None, 0) for time in times]


@pytest.mark.parametrize("times", [[0, 40, 80], [-500, -460, 0], [7, 8, 5000, 5001], [90000]])
def test_times_that_rise_are_left_alone(times: list[int]) -> None:
    line = timeline()
    assert placed(line, times) == times
    assert line.mended == 0


def test_a_missing_time_follows_the_last_frame() -> None:
    line = timeline(start=1000)
    assert placed(line, [None, None, 1090, None, 1200]) == [1000, 1040, 1090, 1130, 1200]
    assert line.mended == 3


def test_a_missing_time_is_the_decoding_time_where_that_rises() -> None:
    line = timeline()
    assert [line.place(None, dts, 0) for dts in (10, 45, 45, None)] == [10, 45, 85, 125]
    assert line.mended == 4


def test_a_stated_duration_tells_what_follows() -> None:
    line = timeline()
    assert [line.place(0, None, 25), line.place(None, None, 50), line.place(None, None, 0)] == [0, 25, 75]


def test_a_time_that_repeats_or_falls_is_moved_up_by_the_least() -> None:
    line = timeline()
    assert placed(line, [0, 40, 40, 30, 120]) == [0, 40, 41, 42, 120]
    assert line.mended == 2


def test_a_time_that_falls_far_counts_as_missing() -> None:
    line = timeline()
    assert placed(line, [5000, 5040, 0, 40, 5300]) == [5000, 5040, 5080, 5120, 5300]
    assert line.mended == 2


def test_a_coarse_clock_still_rises() -> None:
    line = Timeline(Fraction(1, 25), None, start=None)
    assert placed(line, [0, 1, 1, 2, 4]) == [0, 1, 2, 3, 4]


IRREGULAR = [0, 33, 67, 100, 500, 517, 533, 1500]


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
def test_irregular_times_come_out_as_they_went_in(tmp_path: Path, suffix: str) -> None:
    path = write_clip(
        tmp_path / f"irregular.{suffix}",
        moving_frames(len(IRREGULAR)),
        codec="libx264",
        times=IRREGULAR,
        time_base=MILLISECOND,
    )
    with FileReader(path) as reader:
        frames = list(reader)
    assert [frame.pts * frame.time_base / MILLISECOND for frame in frames] == IRREGULAR
    assert [frame.seq for frame in frames] == list(range(len(IRREGULAR)))
    assert reader.counters.mended_timestamps == 0
    assert reader.damaged is None
    assert reader.info.time_base == frames[0].time_base


def test_a_film_that_starts_late_stays_late(tmp_path: Path) -> None:
    times = [5000 + 40 * index for index in range(6)]
    path = write_clip(tmp_path / "late.mkv", moving_frames(6), times=times, time_base=MILLISECOND)
    with FileReader(path) as reader:
        assert reader.info.start == 5000
        assert [frame.pts for frame in reader] == times
    assert reader.damaged is None


def test_a_stream_without_a_container_gets_times_at_its_rate(tmp_path: Path) -> None:
    """A raw H.264 stream has neither times nor a length nor a frame count."""
    path = write_clip(tmp_path / "raw.h264", moving_frames(12), codec="libx264", options={"bf": "2"})
    with FileReader(path) as reader:
        frames = list(reader)
        assert reader.info.frame_count is None
    seconds = [frame.pts * frame.time_base for frame in frames]
    assert [after - before for before, after in pairwise(seconds)] == [Fraction(1, 25)] * 11
    assert reader.counters.mended_timestamps == 12


def test_b_frames_in_avi_come_in_order(tmp_path: Path) -> None:
    """AVI has decoding times alone."""
    path = write_clip(tmp_path / "film.avi", moving_frames(20), codec="mpeg4", options={"bf": "2", "q:v": "2"})
    with FileReader(path) as reader:
        frames = list(reader)
    assert len(frames) == 20
    times = [frame.pts for frame in frames]
    assert times == sorted(set(times))
    bars = [int(frame.y[20].argmin()) // 3 for frame in frames]
    assert bars == sorted(bars)


def test_a_broadcast_whose_clock_restarts_keeps_all_frames(tmp_path: Path) -> None:
    part = write_clip(tmp_path / "part.ts", moving_frames(50), codec="libx264", options={"bf": "0"}).read_bytes()
    path = tmp_path / "twice.ts"
    path.write_bytes(part + part)
    with FileReader(path) as reader:
        times = [frame.pts for frame in reader]
    assert len(times) == 100
    assert times == sorted(set(times))
    assert max(times) - min(times) < 6 * 90000
    assert reader.counters.mended_timestamps == 1
