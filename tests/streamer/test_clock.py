"""Films whose clock starts anew: sound and pictures stay in step through it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from streamer.media.clock import Clock
from streamer.media.encoders import EncodeSettings
from streamer.media.reader import FileReader
from streamer.media.sink import FileWriter
from tests.helpers.films import SourceMaker, packets_of, times_of

MILLI = Fraction(1, 1000)


def part(path: Path, seconds: float, *, sound: bool = True, start: int = 0) -> bytes:
    """A broadcast of 25 pictures a second."""
    times = [start + 40 * k for k in range(int(25 * seconds))]
    film = SourceMaker(path, times, MILLI)
    if sound:
        film.add_tone(seconds, start=start * 441 // 10)
    film.write()
    return path.read_bytes()


def processed(source: Path, target: Path) -> tuple[tuple[str, ...], int]:
    """Read and write a whole film as the product does; return the notes and the number of mended times."""
    with FileReader(source) as reader:
        writer = FileWriter(target, reader.info, EncodeSettings(), overwrite=False)
        for frame in reader:
            writer.write(frame)
        writer.complete()
        writer.publish()
        return writer.notes, reader.counters.mended_timestamps


def sound_times(path: Path) -> list[Fraction]:
    return [time for _, time in packets_of(path, 1)]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_sound_stays_in_step_where_the_clock_restarts(tmp_path: Path, suffix: str) -> None:
    data = part(tmp_path / "part.ts", 2)
    source, made = tmp_path / "thrice.ts", tmp_path / f"out{suffix}"
    source.write_bytes(data * 3)
    notes, mended = processed(source, made)
    assert notes == ("restarts of the film's clock mended: 2; sound and pictures go on together",)
    assert mended == 2
    pictures, sounds = times_of(made), sound_times(made)
    in_part = len(sound_times(tmp_path / "part.ts"))
    assert len(pictures) == 150
    assert len(sounds) == len(sound_times(source)) == 3 * in_part
    offsets = [sounds[k * in_part] - pictures[k * 50] for k in range(3)]
    assert max(offsets) - min(offsets) <= 2 * MILLI
    assert sounds == sorted(sounds)
    assert pictures[-1] < 7


def test_a_leap_of_days_is_no_gap(tmp_path: Path) -> None:
    source, made = tmp_path / "in.ts", tmp_path / "out.mkv"
    source.write_bytes(part(tmp_path / "a.ts", 2) + part(tmp_path / "b.ts", 2, start=9 * 3600_000))
    _, mended = processed(source, made)
    assert mended == 1
    assert times_of(made)[-1] < 5
    assert len(sound_times(made)) == len(sound_times(tmp_path / "a.ts")) + len(sound_times(tmp_path / "b.ts"))
    assert sound_times(made)[-1] < 5


def test_a_pause_in_a_recording_stays(tmp_path: Path) -> None:
    source, made = tmp_path / "in.ts", tmp_path / "out.mkv"
    source.write_bytes(part(tmp_path / "a.ts", 1) + part(tmp_path / "b.ts", 1, start=60_000))
    assert processed(source, made) == ((), 0)
    assert 60.9 < times_of(made)[-1] < 61.1
    assert 60.9 < sound_times(made)[-1] < 61.1


def test_two_clocks_on_one_file_agree(tmp_path: Path) -> None:
    path = tmp_path / "twice.ts"
    path.write_bytes(part(tmp_path / "part.ts", 2) * 2)

    def mended() -> list[int | None]:
        with av.open(str(path)) as film:
            clock = Clock(film)
            times = []
            for packet in film.demux():
                clock.mend(packet)
                times.append(packet.dts)
            assert clock.restarts == 1
            return times

    assert mended() == mended()


def test_sound_that_begins_after_restarts_is_in_step(tmp_path: Path) -> None:
    silent, loud = part(tmp_path / "silent.ts", 10, sound=False), part(tmp_path / "loud.ts", 10)
    source, made = tmp_path / "in.ts", tmp_path / "out.mkv"
    source.write_bytes(silent * 2 + loud)
    notes, _ = processed(source, made)
    assert notes[0] == (
        "audio stream 1 (aac) begins so late that the file doesn't say how to copy it: re-encoded as opus"
    )
    assert abs(sound_times(made)[0] - times_of(made)[500]) < Fraction(1, 10)


def test_sound_that_nobody_announced_is_named(tmp_path: Path) -> None:
    silent, loud = part(tmp_path / "silent.ts", 10, sound=False), part(tmp_path / "loud.ts", 2)
    source, made = tmp_path / "in.ts", tmp_path / "out.mkv"
    # FFmpeg looks at both ends of a file.
    source.write_bytes(silent + loud + silent * 20)
    with av.open(str(source)) as given:
        assert len(given.streams) == 1
    notes, _ = processed(source, made)
    assert "a stream of the source is left out: the file declares it in mid-film only" in notes
