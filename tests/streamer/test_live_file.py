"""A film recorded live: capture times are its times, sound stays in step, and whatever ends it, it plays."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext

from streamer.color import ColorSpec
from streamer.errors import OutputExistsError, SinkError, UsageError
from streamer.frame import Frame
from streamer.live.ports import SoundPacket
from streamer.media.encoders import EncodeSettings
from streamer.media.live_file import LiveFileWriter
from streamer.media.live_sound import RATE, SoundTimes
from tests.helpers.films import smooth_picture

FAST = EncodeSettings(preset="ultrafast")
BEGIN = 1000.0
BEEP_HERTZ = 1000


def settings_for(path: Path) -> EncodeSettings:
    return EncodeSettings(codec="vp9") if path.suffix == ".webm" else FAST


def frame(seq: int, at: float, *, width: int = 96, height: int = 64, white: bool = False) -> Frame:
    """A picture captured `at` seconds after the beginning; 25 a second."""
    y, u, v = smooth_picture(seq, width, height)
    y = np.full_like(y, 235 if white else 40)
    return Frame(y, u, v, ColorSpec(), 0, Fraction(1, 1000), seq, BEGIN + at, 40)


def opus(seconds: float, *, beeps: tuple[float, ...] = ()) -> Iterator[SoundPacket]:
    """Packets of 20 ms from the beginning on: silence, with beeps of 40 ms."""
    context = av.CodecContext.create("libopus", "w")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout, context.format = RATE, "stereo", "flt"
    context.open()
    count, block = round(seconds * 50), RATE // 50
    moments = np.arange(count * block) / RATE
    loud = sum((np.abs(moments - beep - 0.02) < 0.02).astype(float) for beep in beeps)
    wave = (0.5 * np.sin(2 * np.pi * BEEP_HERTZ * moments) * loud).astype(np.float32)
    # The encoder looks ahead: what it gives out belongs so much earlier.
    wave = np.roll(wave, -312)
    for index in range(count):
        part = np.repeat(wave[index * block : (index + 1) * block], 2).reshape(1, -1)
        sound = av.AudioFrame.from_ndarray(part, format="flt", layout="stereo")
        sound.sample_rate, sound.pts = RATE, index * block
        for packet in context.encode(sound):
            yield SoundPacket(bytes(packet), block, BEGIN + index * 0.02)


def picture_times(path: Path) -> list[float]:
    with av.open(path) as film:
        return [picture.time for picture in film.decode(video=0) if picture.time is not None]


def loud_times(path: Path) -> list[float]:
    """When a beep begins, in seconds of the film."""
    starts: list[float] = []
    last = -1.0
    with av.open(path) as film:
        for sound in film.decode(audio=0):
            assert sound.pts is not None
            assert sound.time_base is not None
            samples = np.abs(sound.to_ndarray().astype(np.float64))
            scale = 32768 if sound.format.name.startswith("s16") else 1
            channels = 1 if sound.format.is_planar else 2
            for place in np.flatnonzero(samples[0] > 0.1 * scale) // channels:
                at = float(sound.pts * sound.time_base) + place / RATE
                if at - last > 0.2:
                    starts.append(at)
                last = at
    return starts


def white_times(path: Path) -> list[float]:
    with av.open(path) as film:
        shown = [(picture.time, picture.to_ndarray(format="gray").mean()) for picture in film.decode(video=0)]
    return [at for at, level in shown if at is not None and level > 150]


def record(path: Path, times: list[float], *, sound: list[SoundPacket] | None = None, white: float = -1.0) -> None:
    writer = LiveFileWriter(path, settings_for(path), overwrite=False)
    waiting = list(sound or [])
    for seq, at in enumerate(times):
        # Sound runs ahead of the pictures, which are worked on.
        while waiting and waiting[0].captured_at <= BEGIN + at + 0.2:
            writer.hear(waiting.pop(0))
        writer.write(frame(seq, at, white=abs(at - white) < 0.01), has_sound=sound is not None)
    writer.finish()


UNEVEN = [0.0, 0.04, 0.08, 0.2, 0.24, 0.32, 0.48, 0.9, 1.0, 1.2, 1.24, 1.5]


@pytest.mark.parametrize("name", ["film.mkv", "film.mp4", "film.mov", "film.webm"])
def test_times_of_capture_are_the_films_times(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    record(path, UNEVEN)
    assert picture_times(path) == pytest.approx(UNEVEN, abs=0.001)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["film.mkv", "film.mp4", "film.ts"])
def test_pictures_that_come_long_after_their_sound_are_in_the_film(name: str, tmp_path: Path) -> None:
    """As by a network that takes many seconds for each."""
    path = tmp_path / name
    writer = LiveFileWriter(path, settings_for(path), overwrite=False)
    waiting, times = list(opus(24)), [0.0, 7.96, 16.0]
    for seq, at in enumerate(times):
        while waiting and waiting[0].captured_at <= BEGIN + at + 8.0:
            writer.hear(waiting.pop(0))
        writer.write(frame(seq, at), has_sound=True)
    writer.finish()
    shown = picture_times(path)
    assert [at - shown[0] for at in shown] == pytest.approx(times, abs=0.001)


@pytest.mark.parametrize("name", ["film.mkv", "film.mp4", "film.mov", "film.webm", "film.ts"])
def test_sound_and_picture_stay_together_over_a_gap(name: str, tmp_path: Path) -> None:
    """The source is away from 1 s to 3.21 s; a beep and a white picture before and after come together."""
    path = tmp_path / name
    packets = [packet for packet in opus(5, beeps=(0.4, 4.0)) if not 1 <= packet.captured_at - BEGIN < 3.21]
    times = [at for at in (index * 0.04 for index in range(125)) if not 1 <= at < 3.21]
    writer = LiveFileWriter(path, settings_for(path), overwrite=False)
    waiting = list(packets)
    for seq, at in enumerate(times):
        while waiting and waiting[0].captured_at <= BEGIN + at + 0.2:
            writer.hear(waiting.pop(0))
        writer.write(frame(seq, at, white=min(abs(at - 0.4), abs(at - 4.0)) < 0.01), has_sound=True)
    writer.finish()
    beeps, flashes = loud_times(path), white_times(path)
    assert len(beeps) == len(flashes) == 2
    for beep, flash in zip(beeps, flashes, strict=True):
        assert beep == pytest.approx(flash, abs=0.012)
    assert flashes[1] - flashes[0] == pytest.approx(3.6, abs=0.002)


@pytest.mark.parametrize(("name", "codec"), [("f.mkv", "opus"), ("f.mp4", "opus"), ("f.mov", "aac"), ("f.ts", "aac")])
def test_opus_goes_over_untouched_where_it_can(name: str, codec: str, tmp_path: Path) -> None:
    path = tmp_path / name
    packets = list(opus(1))
    record(path, [index * 0.04 for index in range(25)], sound=packets)
    with av.open(path) as film:
        assert film.streams.audio[0].codec_context.codec.canonical_name == codec
        written = [bytes(packet) for packet in film.demux(audio=0) if packet.size]
    if codec == "opus":
        assert written == [packet.data for packet in packets]


def test_sound_that_waited_for_the_first_picture_is_there(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    writer = LiveFileWriter(path, FAST, overwrite=False)
    for packet in opus(2, beeps=(0.5,)):
        writer.hear(packet)
    for seq in range(20):
        writer.write(frame(seq, 0.3 + seq * 0.04), has_sound=False)
    writer.finish()
    assert loud_times(path) == pytest.approx([0.2], abs=0.012)


@pytest.mark.parametrize("name", ["film.mkv", "film.mp4", "film.mov", "film.ts"])
def test_a_film_that_nobody_finished_plays_but_for_its_end(name: str, tmp_path: Path) -> None:
    """As after a power cut: what had reached the disk, seen while the writer still holds the file."""
    path = tmp_path / name
    writer = LiveFileWriter(path, FAST, overwrite=False)
    sound = list(opus(10))
    for seq in range(250):
        writer.write(frame(seq, seq * 0.04), has_sound=True)
        for packet in sound[2 * seq : 2 * seq + 2]:
            writer.hear(packet)
    torn = tmp_path / f"torn{path.suffix}"
    torn.write_bytes(writer.part.read_bytes())
    assert picture_times(torn)[-1] - picture_times(torn)[0] > 6.5
    writer.finish()
    assert len(picture_times(path)) == 250


def test_pictures_of_another_size_fit_the_first(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    writer = LiveFileWriter(path, FAST, overwrite=False)
    writer.write(frame(0, 0.0), has_sound=False)
    writer.write(frame(1, 0.04, width=64, height=64, white=True), has_sound=False)
    writer.finish()
    with av.open(path) as film:
        last = list(film.decode(video=0))[-1].to_ndarray(format="gray")
    assert last.shape == (64, 96)
    assert last[:, :8].max() < 60
    assert last[:, 32:64].min() > 200
    assert "made to fit" in writer.notes[0]


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.webm"])
def test_a_recording_says_that_it_was_enhanced(name: str, tmp_path: Path) -> None:
    writer = LiveFileWriter(tmp_path / name, settings_for(tmp_path / name), overwrite=False)
    writer.disclose("Enhanced by Facelane")
    for seq in range(5):
        writer.write(frame(seq, seq / 25), has_sound=False)
    writer.finish()
    with av.open(tmp_path / name) as film:
        assert {key.lower(): value for key, value in film.metadata.items()}["comment"] == "Enhanced by Facelane"


def test_a_film_without_a_picture_leaves_nothing(tmp_path: Path) -> None:
    writer = LiveFileWriter(tmp_path / "film.mkv", FAST, overwrite=False)
    for packet in opus(1):
        writer.hear(packet)
    writer.finish()
    writer.finish()
    assert list(tmp_path.iterdir()) == []


def test_what_can_be_known_before_is_said_before(tmp_path: Path) -> None:
    taken = tmp_path / "taken.mkv"
    taken.write_bytes(b"precious")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        LiveFileWriter(taken, FAST, overwrite=False)
    with pytest.raises(SinkError, match=r"end its name in"):
        LiveFileWriter(tmp_path / "film", FAST, overwrite=False)
    with pytest.raises(UsageError, match="webm"):
        LiveFileWriter(tmp_path / "film.webm", FAST, overwrite=False)
    assert taken.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [taken]


def test_sound_is_placed_end_to_end_and_anew_after_a_jump() -> None:
    times = SoundTimes(BEGIN)

    def place(at: float) -> int | None:
        return times.place(SoundPacket(b"", 960, BEGIN + at))

    assert place(-0.5) is None
    assert [place(0.0), place(0.021), place(0.035)] == [0, 960, 1920]
    assert place(0.5) == 24000
    assert place(0.1) is None
    assert place(0.52) == 24960


FILL = """
import sys
from pathlib import Path
from streamer.errors import DiskFullError
from streamer.media.live_file import LiveFileWriter
sys.path.insert(0, "tests/streamer")
from test_live_file import FAST, frame
writer = LiveFileWriter(Path(sys.argv[1]), FAST, overwrite=False)
try:
    for seq in range(3000):
        writer.write(frame(seq, seq * 0.04, width=640, height=480, white=seq % 2 == 0), has_sound=False)
except DiskFullError as error:
    print(error)
try:
    writer.finish()
except DiskFullError:
    print("and at the end")
"""


@pytest.mark.parametrize("name", ["film.mkv", "film.mp4"])
def test_a_full_disk_keeps_what_was_recorded(name: str, tmp_path: Path) -> None:
    path = tmp_path / name

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    done = subprocess.run(
        [sys.executable, "-c", FILL, str(path)],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "no space left" in done.stdout
    assert list(tmp_path.iterdir()) == [path]
    shown = 0
    # Of the last picture only half may be there, which players pass over.
    with av.open(path) as film, suppress(av.InvalidDataError):
        for _ in film.decode(video=0):
            shown += 1
    assert shown > 20
