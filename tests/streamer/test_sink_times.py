"""Times come out of the sink as they went in, as far as each container can hold them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from streamer.media.encoders import CodecName, EncodeSettings
from streamer.media.sink import FileWriter
from tests.helpers.films import SourceMaker, frames_at, info_of, packets_of, rewrite, times_of

NTSC = Fraction(1001, 30000)
FINE = Fraction(1, 90000)
MILLI = Fraction(1, 1000)
# pts and time base of each kind of film.
STEADY = ([k * 3003 for k in range(40)], FINE)
FILMS: dict[str, tuple[Sequence[int], Fraction]] = {
    "25 a second": (list(range(40)), Fraction(1, 25)),
    "29.97 a second": (list(range(40)), NTSC),
    "29.97 in 90 kHz": STEADY,
    "variable": ([0, 3000, 3100, 9000, 9001, 20000, 45000, 45900, 46000, 50017], FINE),
    "with a gap": ([*range(0, 60000, 3000), *range(900000, 960000, 3000)], FINE),
    "starting late": ([1234567 + k * 3003 for k in range(30)], FINE),
    "in milliseconds": ([0, 33, 67, 100, 133, 167, 200, 1500, 1533], MILLI),
    "one frame": ([7], MILLI),
}


def written(tmp_path: Path, name: str, suffix: str, codec: CodecName = "h264") -> tuple[list[Fraction], list[Fraction]]:
    times, time_base = FILMS[name]
    SourceMaker(tmp_path / "source.mp4", range(2), Fraction(1, 25)).write()
    info = replace(info_of(tmp_path / "source.mp4"), time_base=time_base, rate=Fraction(30000, 1001))
    target = tmp_path / f"out{suffix}"
    writer = FileWriter(target, info, EncodeSettings(codec=codec), overwrite=False)
    for frame in frames_at(times, time_base):
        writer.write(frame)
    writer.complete()
    writer.publish()
    return [time * time_base for time in times], times_of(target)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("name", FILMS)
def test_mp4_and_mov_keep_times_exactly(tmp_path: Path, name: str, suffix: str) -> None:
    sent, got = written(tmp_path, name, suffix)
    assert got == sent


@pytest.mark.parametrize(("suffix", "codec"), [(".mkv", "h264"), (".webm", "vp9"), (".mkv", "av1")])
@pytest.mark.parametrize("name", ["29.97 a second", "variable", "with a gap", "starting late", "in milliseconds"])
def test_matroska_keeps_times_to_its_millisecond(tmp_path: Path, name: str, suffix: str, codec: CodecName) -> None:
    sent, got = written(tmp_path, name, suffix, codec)
    assert [round(time * 1000) for time in got] == [_milliseconds(time) for time in sent]


@pytest.mark.parametrize("name", ["29.97 in 90 kHz", "variable", "with a gap", "starting late"])
def test_transport_streams_keep_times_of_their_clock(tmp_path: Path, name: str) -> None:
    sent, got = written(tmp_path, name, ".ts")
    assert got == sent


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_a_rate_beyond_belief_is_no_obstacle(tmp_path: Path, codec: CodecName) -> None:
    SourceMaker(tmp_path / "source.mp4", range(2), Fraction(1, 25)).write()
    info = replace(info_of(tmp_path / "source.mp4"), time_base=MILLI, rate=Fraction(1000))
    writer = FileWriter(tmp_path / "out.mkv", info, EncodeSettings(codec=codec), overwrite=False)
    for frame in frames_at([0, 40, 80], MILLI):
        writer.write(frame)
    writer.complete()
    writer.publish()
    assert times_of(tmp_path / "out.mkv") == [0, 40 * MILLI, 80 * MILLI]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_times_that_do_not_rise_are_moved_by_a_tick_and_counted(tmp_path: Path, suffix: str) -> None:
    SourceMaker(tmp_path / "source.mp4", range(2), Fraction(1, 25)).write()
    writer = FileWriter(tmp_path / f"out{suffix}", info_of(tmp_path / "source.mp4"), EncodeSettings(), overwrite=False)
    for frame in frames_at([0, 40, 40, 30, 120], MILLI):
        writer.write(frame)
    writer.complete()
    writer.publish()
    assert times_of(tmp_path / f"out{suffix}") == [time * MILLI for time in (0, 40, 41, 42, 120)]
    assert any(note.startswith("2 frames had times") for note in writer.notes)


def test_the_last_frame_lasts_as_long_as_it_did(tmp_path: Path) -> None:
    SourceMaker(tmp_path / "source.mp4", range(2), Fraction(1, 25)).write()
    info = replace(info_of(tmp_path / "source.mp4"), time_base=MILLI)
    writer = FileWriter(tmp_path / "out.mp4", info, EncodeSettings(), overwrite=False)
    for frame in frames_at([0, 40, 80], MILLI, durations=[40, 40, 700]):
        writer.write(frame)
    writer.complete()
    writer.publish()
    # MP4 counts durations in order of decoding, so only the whole film's length says how long the last picture stays.
    data = (tmp_path / "out.mp4").read_bytes()
    scale, length = struct.unpack_from(">II", data, data.index(b"mvhd") + 16)
    assert Fraction(length, scale) == 780 * MILLI


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
@pytest.mark.parametrize("start", [0, 11025, 441000 + 7])
def test_sound_and_picture_keep_their_distance(tmp_path: Path, suffix: str, start: int) -> None:
    # Sound starting before, at and long after the pictures, none of them at 0.
    source = tmp_path / "source.mp4"
    maker = SourceMaker(source, [90000 + 3000 * k for k in range(60)], FINE, rate=Fraction(30))
    maker.add_tone(1.5, start=start)
    maker.write()
    rewrite(source, tmp_path / f"out{suffix}")
    before = times_of(source)[0] - packets_of(source, 1)[0][1]
    after = times_of(tmp_path / f"out{suffix}")[0] - packets_of(tmp_path / f"out{suffix}", 1)[0][1]
    assert abs(after - before) <= Fraction(1, 1000)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_sound_that_begins_before_zero_moves_nothing(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / "source.mp4"
    maker = SourceMaker(source, range(30), Fraction(1, 25))
    maker.add_tone(1)
    maker.write()
    assert packets_of(source, 1)[0][1] < 0
    assert rewrite(source, tmp_path / f"out{suffix}") == ()
    assert times_of(tmp_path / f"out{suffix}") == times_of(source)
    before, after = packets_of(source, 1)[0][1], packets_of(tmp_path / f"out{suffix}", 1)[0][1]
    assert abs(after - before) <= MILLI


def test_a_transport_stream_says_by_how_much_it_moves_all(tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    maker = SourceMaker(source, range(30), Fraction(1, 25))
    maker.add_tone(1)
    maker.write()
    notes = rewrite(source, tmp_path / "out.ts")
    assert notes == ("everything comes 0.023 s later: mpegts has no times below 0",)
    moved = times_of(tmp_path / "out.ts")[0] - times_of(source)[0]
    assert abs(moved - Fraction(23, 1000)) < MILLI


def _milliseconds(time: Fraction) -> int:
    """As FFmpeg rounds: half away from zero."""
    return int(time * 1000 + Fraction(1, 2))
