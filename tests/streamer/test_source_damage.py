"""Files that are cut, corrupt, or no films at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.stream import Disposition
from av.video.stream import VideoStream

from streamer.errors import FacelaneError, NoVideoError, SourceError, UnsupportedError
from streamer.media.decode import SourceCounters
from streamer.media.demux import check_readable
from streamer.media.reader import FileReader
from tests.helpers.clips import frame_of, moving_frames, noise_samples, write_clip
from tests.helpers.films import tone

COUNT = 40
# Moov in front, as cameras and streaming sites have it, so that a cut file can still be opened.
CONTAINERS = {
    "mp4": ("libx264", {"movflags": "faststart"}),
    "mov": ("libx264", {"movflags": "faststart"}),
    "mkv": ("libx264", {}),
    "webm": ("libvpx", {}),
    "ts": ("libx264", {}),
    "m2ts": ("libx264", {}),
    "avi": ("mpeg4", {}),
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same film in every container, of noise so that every byte is a picture's."""
    folder = tmp_path_factory.mktemp("films")
    return {
        suffix: write_clip(
            folder / f"film.{suffix}",
            [frame_of("yuv420p", noise_samples("yuv420p", 48, 64, seed=seed)) for seed in range(COUNT)],
            codec=codec,
            options={"g": "5", "bf": "0"},
            container_options=options,
        )
        for suffix, (codec, options) in CONTAINERS.items()
    }


def read_through(path: Path) -> tuple[int, str | None, SourceCounters]:
    with FileReader(path) as reader:
        count = sum(1 for _ in reader)
    return count, reader.damaged, reader.counters


@pytest.mark.parametrize("suffix", sorted(CONTAINERS))
def test_a_whole_film_is_not_called_damaged(films: dict[str, Path], suffix: str) -> None:
    assert read_through(films[suffix]) == (COUNT, None, SourceCounters())


@pytest.mark.parametrize("share", [0.55, 0.9])
@pytest.mark.parametrize("suffix", sorted(CONTAINERS))
def test_a_film_cut_in_the_middle_gives_what_is_there(
    films: dict[str, Path], tmp_path: Path, suffix: str, share: float
) -> None:
    data = films[suffix].read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(data[: int(len(data) * share) // 188 * 188 + 100])
    count, damaged, _ = read_through(cut)
    assert COUNT * share * 0.6 < count < COUNT
    assert damaged is not None
    assert str(cut) in damaged
    assert "\n" not in damaged


def test_a_cut_between_packets_is_seen_by_what_was_promised(films: dict[str, Path], tmp_path: Path) -> None:
    """The structure says nothing here: the boxes' sizes were made to fit."""
    data = bytearray(films["mp4"].read_bytes())
    at = data.index(b"mdat") - 4
    short = at + (len(data) - at) // 2
    data[at : at + 4] = (short - at).to_bytes(4, "big")
    path = tmp_path / "patched.mp4"
    path.write_bytes(data[:short])
    count, damaged, _ = read_through(path)
    assert 5 < count < COUNT
    assert damaged is not None


def test_a_live_recording_that_states_no_length_is_not_called_damaged(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "live.mkv", moving_frames(20), codec="libx264", container_options={"live": "1"})
    assert read_through(path)[:2] == (20, None)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
def test_corrupt_packets_are_skipped_and_counted(films: dict[str, Path], tmp_path: Path, suffix: str) -> None:
    data = bytearray(films[suffix].read_bytes())
    rng = np.random.default_rng(1)
    start = data.index(b"mdat") + 2000 if suffix == "mp4" else len(data) // 4
    for at in range(start, int(len(data) * 0.8), 997):
        data[at : at + 60] = rng.bytes(60)
    path = tmp_path / f"corrupt.{suffix}"
    path.write_bytes(data)
    count, damaged, counters = read_through(path)
    assert 0 < count <= COUNT
    assert counters.corrupt_packets + counters.corrupt_frames > 0
    assert damaged is not None


def test_a_packet_that_is_only_flagged_is_counted_and_no_damage(tmp_path: Path) -> None:
    """Where two recordings are joined, the counters of their packets don't fit; nothing is lost."""
    parts = [
        write_clip(
            tmp_path / f"{at}.ts", moving_frames(50), codec="libx264", options={"bf": "0"}, times=range(at, at + 50)
        )
        for at in (0, 50)
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert read_through(path) == (100, None, SourceCounters(corrupt_packets=1))


@pytest.mark.parametrize(("holes", "words"), [(1, "1 packet could"), (2, "2 packets could")])
def test_one_packet_is_not_called_packets(tmp_path: Path, holes: int, words: str) -> None:
    pictures = [np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8) for seed in range(10)]
    frames = [av.VideoFrame.from_ndarray(picture, "rgb24") for picture in pictures]
    path = write_clip(tmp_path / "film.mov", frames, codec="png")
    data = bytearray(path.read_bytes())
    at = 0
    for _ in range(holes):
        at = data.index(b"\x89PNG", at + 1000)
        data[at : at + 8] = bytes(8)
    path.write_bytes(data)
    count, damaged, _ = read_through(path)
    assert count == 10 - holes
    assert damaged is not None
    assert words in damaged


def with_late_streams(path: Path) -> Path:
    """A transport stream that declares forty sounds in mid-film: after what FFmpeg looks at when it opens a file, and
    before the end, which it looks at too, so that empty packets fill the way there."""
    pictures = moving_frames(500)
    for name, at in (("before.ts", 0), ("after.ts", 250)):
        times = range(at, at + 250)
        write_clip(path.with_name(name), pictures[at : at + 250], codec="libx264", options={"bf": "0"}, times=times)
    with av.open(str(path.with_name("between.ts")), "w") as output:
        sounds = [output.add_stream("mp2", rate=44100, layout="stereo") for _ in range(40)]
        for sound in sounds:
            for frame in [*tone(0.2), None]:
                output.mux(sound.encode(frame))
    before, between, after = (path.with_name(f"{name}.ts").read_bytes() for name in ("before", "between", "after"))
    nothing = b"\x47\x1f\xff\x10" + b"\xff" * 184
    path.write_bytes(before + between + 1600 * nothing + after)
    return path


def test_streams_that_begin_in_mid_film_are_left_out(tmp_path: Path) -> None:
    path = with_late_streams(tmp_path / "film.ts")
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        with pytest.raises(IndexError):  # what `packets` is there for
            list(container.demux())
    assert read_through(path)[0] >= 499  # the picture at the join may go: its packets' counters don't fit


def test_frames_are_sound_again_after_what_is_corrupt(films: dict[str, Path], tmp_path: Path) -> None:
    with FileReader(films["ts"]) as reader:
        whole = {frame.pts: frame for frame in reader}
    data = bytearray(films["ts"].read_bytes())
    middle = len(data) // 2 // 188 * 188
    data[middle : middle + 188 * 40] = bytes(188 * 40)
    path = tmp_path / "hole.ts"
    path.write_bytes(data)
    with FileReader(path) as reader:
        frames = list(reader)
    assert len(frames) > COUNT - 15
    assert reader.damaged is not None
    for frame in frames[-10:]:
        assert np.array_equal(frame.y, whole[frame.pts].y)


BAD: dict[str, tuple[bytes | None, type[FacelaneError], str]] = {
    "missing.mp4": (None, SourceError, "does not exist"),
    "empty.mp4": (b"", SourceError, "is empty"),
    "text.mp4": (b"Dear reader, this is no film.\n" * 50, SourceError, "can't be read as media"),
    "notes.txt": (b"Dear reader, this is no film.\n" * 50, SourceError, "is text"),
    "lines.srt": (b"1\n00:00:00,000 --> 00:00:01,000\nHello\n\n", NoVideoError, "no video"),
    "list.m3u8": (b"#EXTM3U\n#EXTINF:4,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n", SourceError, "can't be read"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_what_is_no_film_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    content, error, words = BAD[name]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=words) as caught:
        FileReader(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_a_pipe_and_a_path_through_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="folder"):
        FileReader(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="regular file"):
        FileReader(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(SourceError, match="can't be opened"):
        FileReader(tmp_path / "file" / "film.mp4")


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locked.mp4"
    path.write_bytes(b"x")
    path.chmod(0)
    # Root may read everything, so the kernel's answer to others is given here.
    monkeypatch.setattr(os, "access", lambda place, mode: bool(Path(place).stat().st_mode & stat.S_IRUSR))
    with pytest.raises(SourceError, match="permission"):
        check_readable(path)


def test_moov_at_the_end_of_a_cut_file_leaves_nothing(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "film.mp4", moving_frames(30), codec="libx264")
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 50])
    with pytest.raises(SourceError, match="complete"):
        FileReader(path)


def test_a_film_without_a_frame_that_decodes_is_refused(films: dict[str, Path], tmp_path: Path) -> None:
    data = bytearray(films["mp4"].read_bytes())
    at = data.index(b"mdat") + 4
    data[at:] = b"\xff" * (len(data) - at)
    path = tmp_path / "blank.mp4"
    path.write_bytes(data)
    with pytest.raises(NoVideoError, match="no frame"):
        FileReader(path)


def sound_file(path: Path, *, cover: bool) -> Path:
    with av.open(str(path), "w") as output:
        sound = output.add_stream("aac", rate=44100)
        assert isinstance(sound, AudioStream)
        sound.codec_context.layout = "stereo"
        picture = None
        if cover:
            picture = output.add_stream("mjpeg", rate=1)
            assert isinstance(picture, VideoStream)
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuvj420p"
            picture.disposition = Disposition.attached_pic
        if picture is not None:
            output.mux(picture.encode(frame_of("yuvj420p", noise_samples("yuvj420p", 48, 64), full_range=True)))
            output.mux(picture.encode(None))
        for frame in [*tone(0.3), None]:
            output.mux(sound.encode(frame))
    return path


@pytest.mark.parametrize("cover", [False, True])
def test_sound_alone_is_no_film_even_with_a_cover(tmp_path: Path, cover: bool) -> None:
    path = sound_file(tmp_path / "sound.mp4", cover=cover)
    with pytest.raises(NoVideoError, match="cover picture" if cover else "only audio"):
        FileReader(path)


def streams_file(
    path: Path, build: Callable[[av.container.OutputContainer], Iterator[VideoStream | AudioStream]]
) -> Path:
    """A file whose streams `build` adds; each video stream shows grey of 40 times its index."""
    with av.open(str(path), "w") as output:
        streams = list(build(output))
        for stream in streams:
            frames: list[av.AudioFrame | av.VideoFrame] = list(tone(0.4))
            if isinstance(stream, VideoStream):
                flat = np.full((stream.height, stream.width), 40 * stream.index + 40, np.uint8)
                half = np.full((stream.height // 2, stream.width // 2), 128, np.uint8)
                frames = [frame_of("yuv420p", [flat, half, half]) for _ in range(5)]
            for frame in frames:
                output.mux(stream.encode(frame))  # type: ignore[arg-type]
            output.mux(stream.encode(None))
    return path


def add_video(output: av.container.OutputContainer, width: int, *, default: bool = False) -> VideoStream:
    stream = output.add_stream("libx264", rate=25, options={"qp": "0"})
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = width, 48, "yuv420p"
    stream.disposition = Disposition.default if default else Disposition(0)
    return stream


@pytest.mark.parametrize(("defaults", "chosen"), [((False, False), 2), ((True, False), 1)])
def test_the_default_video_is_read_else_the_largest_wherever_it_stands(
    tmp_path: Path, defaults: tuple[bool, bool], chosen: int
) -> None:
    def build(output: av.container.OutputContainer) -> Iterator[VideoStream | AudioStream]:
        sound = output.add_stream("aac", rate=44100)
        assert isinstance(sound, AudioStream)
        sound.codec_context.layout = "stereo"
        yield sound
        yield add_video(output, 64, default=defaults[0])
        yield add_video(output, 96, default=defaults[1])

    with FileReader(streams_file(tmp_path / "streams.mkv", build)) as reader:
        frames = list(reader)
        info = reader.info
    assert info.video_index == chosen
    assert [stream.kind for stream in info.streams] == ["audio", "video", "video"]
    assert info.video is info.streams[chosen]
    assert len(frames) == 5
    assert (frames[0].y == 40 * chosen + 40).all()


STRANGE_NAMES = [
    "-i.mkv",
    "100%.mkv",
    "frame%03d.mkv",
    "http:x.mkv",
    "concat:a|b.mkv",
    "a b'\"c.mkv",
    "Größe 映画 🎬.mkv",
]


@pytest.mark.parametrize("name", STRANGE_NAMES)
def test_a_name_is_a_name_and_nothing_else(
    films: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).write_bytes(films["mkv"].read_bytes())
    monkeypatch.chdir(tmp_path)
    assert read_through(Path(name))[0] == COUNT


def test_a_still_picture_with_a_pattern_in_its_name_is_itself(tmp_path: Path) -> None:
    picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 77, np.uint8), "rgb24")
    encoder = av.CodecContext.create("png", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "rgb24"
    encoder.time_base = Fraction(1, 25)
    path = tmp_path / "shot%03d.png"
    path.write_bytes(b"".join(bytes(packet) for packet in encoder.encode(picture)))
    with FileReader(path) as reader:
        assert len(list(reader)) == 1


def test_the_input_is_not_touched(films: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(films["mp4"].read_bytes())
    path.chmod(0o400)
    before = path.stat()
    read_through(path)
    after = path.stat()
    assert (before.st_mtime_ns, before.st_size, before.st_ino) == (after.st_mtime_ns, after.st_size, after.st_ino)
    assert path.read_bytes() == films["mp4"].read_bytes()


def test_an_encrypted_film_is_refused(films: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "encrypted.mp4"
    with av.open(str(films["mp4"])) as source:
        template = source.streams.video[0]
        options = {
            "encryption_scheme": "cenc-aes-ctr",
            "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
            "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
        }
        with av.open(str(path), "w", options=options) as output:
            stream = output.add_stream_from_template(template)
            for packet in source.demux(template):
                if packet.dts is not None:
                    packet.stream = stream
                    output.mux(packet)
    with pytest.raises(UnsupportedError, match="encrypted"):
        FileReader(path)
