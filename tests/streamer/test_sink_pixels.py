"""What a film's pixels, size and colour tags are after the sink."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.color import ColorSpec
from streamer.errors import SinkError, UsageError
from streamer.frame import Frame
from streamer.media.choosing import available
from streamer.media.containers import BY_SUFFIX
from streamer.media.encoders import ENCODERS, CodecName, EncodeSettings
from streamer.media.info import SourceInfo
from streamer.media.sink import FileWriter
from tests.helpers.films import SourceMaker, frames_at, frames_of, info_of

TICK = Fraction(1, 25)


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> SourceInfo:
    path = tmp_path_factory.mktemp("source") / "source.mp4"
    SourceMaker(path, range(3), TICK).write()
    return info_of(path)


def write(path: Path, frames: list[Frame], info: SourceInfo, settings: EncodeSettings) -> tuple[str, ...]:
    writer = FileWriter(path, info, settings, overwrite=False)
    for frame in frames:
        writer.write(frame)
    writer.complete()
    writer.publish()
    return writer.notes


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("h264", ".mp4"), ("hevc", ".mkv"), ("vp9", ".webm"), ("ffv1", ".mkv")],
)
@pytest.mark.parametrize("full_range", [False, True])
def test_lossless_is_exact(tmp_path: Path, info: SourceInfo, codec: CodecName, suffix: str, full_range: bool) -> None:
    color = ColorSpec(full_range=full_range)
    sent = list(frames_at(range(6), TICK, color=color, noise=True))
    write(tmp_path / f"out{suffix}", sent, info, EncodeSettings(codec=codec, quality=0))
    got = list(frames_of(tmp_path / f"out{suffix}"))
    assert len(got) == len(sent)
    for before, after in zip(sent, got, strict=True):
        for plane, expected in zip(after.planes, before.planes, strict=True):
            np.testing.assert_array_equal(plane, expected)


@pytest.mark.parametrize("size", [(97, 64), (96, 63), (95, 61)])
def test_odd_sizes_are_padded_with_the_edge(tmp_path: Path, info: SourceInfo, size: tuple[int, int]) -> None:
    sent = list(frames_at(range(3), TICK, size=size, noise=True))
    notes = write(tmp_path / "out.mp4", sent, info, EncodeSettings(quality=0))
    width, height = size
    for before, after in zip(sent, frames_of(tmp_path / "out.mp4"), strict=True):
        assert (after.width, after.height) == (width + width % 2, height + height % 2)
        expected = np.pad(before.y, ((0, height % 2), (0, width % 2)), mode="edge")
        np.testing.assert_array_equal(after.y, expected)
        np.testing.assert_array_equal(after.u, before.u)
    assert [note for note in notes if "padded" in note] == [
        f"padded from {width}x{height} to {width + width % 2}x{height + height % 2}: h264 takes even sizes only"
    ]


def test_odd_sizes_stay_where_the_codec_takes_them(tmp_path: Path, info: SourceInfo) -> None:
    sent = list(frames_at(range(2), TICK, size=(97, 63), noise=True))
    assert write(tmp_path / "out.mkv", sent, info, EncodeSettings(codec="ffv1")) == ()
    for before, after in zip(sent, frames_of(tmp_path / "out.mkv"), strict=True):
        np.testing.assert_array_equal(after.y, before.y)


@pytest.mark.parametrize("codec", sorted(available()))
def test_every_codec_there_is_goes_into_matroska(tmp_path: Path, info: SourceInfo, codec: CodecName) -> None:
    sent = list(frames_at(range(4), TICK, size=(160, 96)))
    write(tmp_path / "out.mkv", sent, info, EncodeSettings(codec=codec))
    for before, after in zip(sent, frames_of(tmp_path / "out.mkv"), strict=True):
        error = float(np.mean((before.y.astype(float) - after.y) ** 2))
        # A slope is easy: 35 dB is what the worst of them (AV1 at its fastest) clears with room.
        assert 10 * np.log10(255**2 / max(error, 1e-9)) > 35


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_color_tags_are_written(tmp_path: Path, info: SourceInfo, suffix: str) -> None:
    color = ColorSpec(matrix="bt709", full_range=True, primaries=1, transfer=13, space=1)
    write(tmp_path / f"out{suffix}", list(frames_at(range(30), TICK, color=color)), info, EncodeSettings())
    with av.open(str(tmp_path / f"out{suffix}")) as film:
        context = film.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace) == (1, 13, 1)
        assert context.color_range == 2


@pytest.mark.parametrize(("matrix", "number"), [("bt601", 6), ("bt709", 1)])
def test_an_unstated_matrix_is_stated(tmp_path: Path, info: SourceInfo, matrix: str, number: int) -> None:
    color = ColorSpec(matrix="bt601" if matrix == "bt601" else "bt709")
    write(tmp_path / "out.mp4", list(frames_at(range(3), TICK, color=color)), info, EncodeSettings())
    with av.open(str(tmp_path / "out.mp4")) as film:
        context = film.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_range) == (number, 2, 1)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_pixels_that_are_not_square_stay_so(tmp_path: Path, info: SourceInfo, suffix: str) -> None:
    wide = replace(info, sar=Fraction(16, 11))
    write(tmp_path / f"out{suffix}", list(frames_at(range(3), TICK)), wide, EncodeSettings())
    with av.open(str(tmp_path / f"out{suffix}")) as film:
        assert film.streams.video[0].codec_context.sample_aspect_ratio == Fraction(16, 11)


def test_a_change_of_size_is_refused(tmp_path: Path, info: SourceInfo) -> None:
    writer = FileWriter(tmp_path / "out.mp4", info, EncodeSettings(), overwrite=False)
    writer.write(next(frames_at([0], TICK)))
    with pytest.raises(SinkError, match="64x64 in a film of 96x64"):
        writer.write(next(frames_at([1], TICK, size=(64, 64))))
    writer.abort()
    assert list(tmp_path.iterdir()) == []


def test_hevc_in_mp4_carries_the_tag_that_players_want(tmp_path: Path, info: SourceInfo) -> None:
    write(tmp_path / "out.mp4", list(frames_at(range(3), TICK)), info, EncodeSettings(codec="hevc"))
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert film.streams.video[0].codec_tag == "hvc1"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"codec": "h263"}, "one of h264, hevc, av1, vp9, ffv1"),
        ({"quality": 52}, "outside 0"),
        ({"quality": -1}, "outside 0"),
        ({"preset": "quick"}, "one of h264's: ultrafast"),
        ({"codec": "ffv1", "preset": "fast"}, "one of ffv1's: none"),
        ({"codec": "av1", "quality": 0}, "no lossless mode"),
        ({"unsupported": "drop"}, "not one of reencode, warn, error"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        EncodeSettings(**settings)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("codec", sorted(ENCODERS))
def test_less_quality_takes_fewer_bytes(tmp_path: Path, info: SourceInfo, codec: CodecName) -> None:
    if codec == "ffv1":
        assert ENCODERS["ffv1"].options(10, None) == ENCODERS["ffv1"].options(18, None)
        return
    sizes = []
    for quality in (10, 51):
        path = tmp_path / f"{quality}.mkv"
        write(path, list(frames_at(range(4), TICK, size=(160, 96), noise=True)), info, EncodeSettings(codec, quality))
        sizes.append(path.stat().st_size)
    assert sizes[1] < sizes[0] / 2


@pytest.mark.parametrize(("codec", "suffix"), [("vp9", ".ts"), ("h264", ".webm"), ("ffv1", ".mp4")])
def test_a_codec_that_does_not_fit_is_refused_early(
    tmp_path: Path, info: SourceInfo, codec: CodecName, suffix: str
) -> None:
    with pytest.raises(UsageError, match=f"{codec} doesn't go into {BY_SUFFIX[suffix].muxer}: use codec"):
        FileWriter(tmp_path / f"out{suffix}", info, EncodeSettings(codec=codec), overwrite=False)
    assert list(tmp_path.iterdir()) == []
