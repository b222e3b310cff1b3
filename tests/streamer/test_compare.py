"""Two pictures beside each other, and three films in one pass."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from streamer.color import ColorSpec
from streamer.errors import OutputExistsError, SinkError
from streamer.frame import Frame
from streamer.media.compare import ComparisonSink, named, side_by_side
from streamer.media.encoders import EncodeSettings
from streamer.media.info import SourceInfo
from tests.helpers.films import SourceMaker, frames_at, frames_of, info_of, packets_of, times_of

TICK = Fraction(1, 25)


def flat(value: int, size: tuple[int, int], *, color: ColorSpec | None = None, pts: int = 0) -> Frame:
    width, height = size
    chroma = np.full(((height + 1) // 2, (width + 1) // 2), 128, np.uint8)
    luma = np.full((height, width), value, np.uint8)
    return Frame(luma, chroma, chroma.copy(), color or ColorSpec(), pts, TICK, pts, 0.0, 1)


@pytest.mark.parametrize("size", [(320, 180), (1280, 720), (97, 63), (176, 144), (1920, 1080)])
def test_both_pictures_are_there_untouched_below_the_labels(size: tuple[int, int]) -> None:
    width, height = size
    before, after = flat(60, size), flat(120, size, pts=7)
    both = side_by_side(before, after)
    assert both.height == height
    assert (both.pts, both.time_base, both.duration, both.seq) == (7, TICK, 1, 7)
    lower = both.y[height // 2 :]
    np.testing.assert_array_equal(lower[:, :width], 60)
    np.testing.assert_array_equal(lower[:, -width:], 120)
    line = lower[:, width:-width]
    assert 2 <= line.shape[1] <= height / 60 + 3
    np.testing.assert_array_equal(line, 235)


def test_chroma_lies_under_its_own_luma() -> None:
    (before,), (after,) = (list(frames_at([k], TICK, size=(320, 180), noise=True)) for k in (0, 1))
    both = side_by_side(before, after)
    start = (both.width - 320) // 2
    np.testing.assert_array_equal(both.u[45:, :160], before.u[45:])
    np.testing.assert_array_equal(both.v[45:, start:], after.v[45:])


@pytest.mark.parametrize(("full_range", "white", "black"), [(False, 235, 16), (True, 255, 0)])
def test_labels_are_white_on_black_in_the_film_s_own_range(full_range: bool, white: int, black: int) -> None:
    frame = flat(90, (640, 360), color=ColorSpec(full_range=full_range))
    both = side_by_side(frame, frame)
    for left in (0, 644):
        label = both.y[:40, left : left + 200]
        assert label.max() == white
        assert label.min() == black
        # A fair part of the plate is ink: words, not a blot or a blank.
        assert 20 < np.count_nonzero(label > (white + black) // 2 + 40) < label.size / 4
    np.testing.assert_array_equal(both.y[40:, :640], 90)


def test_the_labels_differ() -> None:
    frame = flat(90, (640, 360))
    both = side_by_side(frame, frame)
    assert not np.array_equal(both.y[:40, :200], both.y[:40, 642:842])


def test_unequal_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="one size and colour"):
        side_by_side(flat(1, (64, 64)), flat(1, (66, 64)))
    with pytest.raises(ValueError, match="one size and colour"):
        side_by_side(flat(1, (64, 64)), flat(1, (64, 64), color=ColorSpec(full_range=True)))


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> SourceInfo:
    path = tmp_path_factory.mktemp("source") / "source.mp4"
    maker = SourceMaker(path, range(25), TICK)
    maker.add_tone(1)
    maker.write()
    return info_of(path)


async def compare(path: Path, info: SourceInfo, *, frames: int = 25, finish: bool = True) -> None:
    sink = ComparisonSink(path, info, EncodeSettings(), overwrite=False)
    try:
        for k in range(frames):
            await sink.send(flat(60, (160, 96), pts=k), flat(160, (160, 96), pts=k))
        if finish:
            await sink.finish()
    finally:
        await sink.aclose()


def test_three_films_with_sound_in_one_pass(tmp_path: Path, info: SourceInfo) -> None:
    asyncio.run(compare(tmp_path / "film.mp4", info))
    names = ["film.baseline.mp4", "film.mp4", "film.side-by-side.mp4"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for name in names:
        assert times_of(tmp_path / name) == [k * TICK for k in range(25)]
        assert packets_of(tmp_path / name, 1) == packets_of(info.path, 1)
    baseline, result, both = (list(frames_of(tmp_path / name))[-1] for name in names)
    assert abs(float(baseline.y.mean()) - 60) < 1
    assert abs(float(result.y.mean()) - 160) < 1
    assert (both.width, both.height) == (322, 96)
    assert abs(float(both.y[48:, :150].mean()) - 60) < 1
    assert abs(float(both.y[48:, 172:].mean()) - 160) < 1


@pytest.mark.parametrize("frames", [0, 5])
def test_all_or_none(tmp_path: Path, info: SourceInfo, frames: int) -> None:
    asyncio.run(compare(tmp_path / "film.mp4", info, frames=frames, finish=False))
    assert list(tmp_path.iterdir()) == []


def test_no_film_is_published_unless_all_are_whole(tmp_path: Path, info: SourceInfo) -> None:
    async def run() -> None:
        sink = ComparisonSink(tmp_path / "film.mp4", info, EncodeSettings(), overwrite=False)
        await sink.send(flat(60, (160, 96)), flat(60, (160, 96)))
        # The baseline alone changes its size: only that film and the comparison fail.
        await sink.send(flat(60, (162, 96), pts=1), flat(60, (160, 96), pts=1))
        with pytest.raises((SinkError, ValueError)):
            await sink.finish()
        await sink.aclose()

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["film.mp4", "film.baseline.mp4", "film.side-by-side.mp4"])
def test_any_name_that_is_taken_stops_all(tmp_path: Path, info: SourceInfo, name: str) -> None:
    (tmp_path / name).write_bytes(b"older")
    with pytest.raises(OutputExistsError, match=name.replace(".", r"\.")):
        ComparisonSink(tmp_path / "film.mp4", info, EncodeSettings(), overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_names_of_the_other_two() -> None:
    assert named(Path("/films/a.b.mkv"), "baseline") == Path("/films/a.b.baseline.mkv")
