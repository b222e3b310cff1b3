"""A target is there whole or not at all, and every reason why it can't be is one line."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import pytest

from streamer.errors import DiskFullError, FacelaneError, OutputExistsError, SinkError
from streamer.frame import Frame
from streamer.media.encoders import CodecName, EncodeSettings
from streamer.media.info import SourceInfo
from streamer.media.sink import FileWriter
from streamer.media.target import Target, writing
from tests.helpers.films import SourceMaker, frames_at, info_of, times_of

TICK = Fraction(1, 25)
BIG = EncodeSettings(quality=5)


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> SourceInfo:
    path = tmp_path_factory.mktemp("source") / "source.mp4"
    maker = SourceMaker(path, range(25), TICK)
    maker.add_tone(1)
    maker.write()
    return info_of(path)


def heavy(count: int = 25) -> list[Frame]:
    return list(frames_at(range(count), TICK, size=(320, 240), noise=True))


def write_all(path: Path, info: SourceInfo, *, overwrite: bool = False, settings: EncodeSettings = BIG) -> None:
    writer = FileWriter(path, info, settings, overwrite=overwrite)
    try:
        for frame in heavy():
            writer.write(frame)
        writer.complete()
        writer.publish()
    finally:
        writer.abort()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """What a full disk is to a process: no file may grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_nothing_bears_the_name_before_the_end(tmp_path: Path, info: SourceInfo) -> None:
    target = tmp_path / "out.mp4"
    writer = FileWriter(target, info, EncodeSettings(), overwrite=False)
    for frame in frames_at(range(25), TICK):
        writer.write(frame)
        assert not target.exists()
    writer.complete()
    assert not target.exists()
    (part,) = tmp_path.iterdir()
    assert part.name.startswith(".out.part-")
    assert part.suffix == ".mp4"
    writer.publish()
    assert list(tmp_path.iterdir()) == [target]
    assert len(times_of(target)) == 25


@pytest.mark.parametrize("frames", [0, 1, 25])
def test_abort_leaves_nothing(tmp_path: Path, info: SourceInfo, frames: int) -> None:
    writer = FileWriter(tmp_path / "out.mp4", info, EncodeSettings(), overwrite=False)
    for frame in frames_at(range(frames), TICK):
        writer.write(frame)
    writer.abort()
    writer.abort()
    assert list(tmp_path.iterdir()) == []


def test_abort_leaves_an_older_file_as_it_was(tmp_path: Path, info: SourceInfo) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"older")
    writer = FileWriter(target, info, EncodeSettings(), overwrite=True)
    writer.write(next(frames_at([0], TICK)))
    writer.abort()
    assert target.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [target]


def test_overwrite_replaces(tmp_path: Path, info: SourceInfo) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"older")
    write_all(target, info, overwrite=True)
    assert len(times_of(target)) == 25
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path: Path, info: SourceInfo) -> None:
    target = tmp_path / "out.mp4"
    writer = FileWriter(target, info, EncodeSettings(), overwrite=False)
    writer.write(next(frames_at([0], TICK)))
    writer.complete()
    target.write_bytes(b"newer")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        writer.publish()
    writer.abort()
    assert target.read_bytes() == b"newer"
    assert list(tmp_path.iterdir()) == [target]


def test_a_film_without_frames_is_an_error(tmp_path: Path, info: SourceInfo) -> None:
    writer = FileWriter(tmp_path / "out.mp4", info, EncodeSettings(), overwrite=False)
    with pytest.raises(SinkError, match="not one frame"):
        writer.complete()
    with pytest.raises(SinkError, match="not whole"):
        writer.publish()
    writer.abort()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_target_is_refused(tmp_path: Path, info: SourceInfo) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"older")
    with pytest.raises(OutputExistsError, match="--overwrite") as caught:
        FileWriter(target, info, EncodeSettings(), overwrite=False)
    assert caught.value.exit_code == 7
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing/out.mp4", "no folder that exists: make it first"),
        ("folder.mp4", "is a folder: name a file"),
        ("file.txt/out.mp4", "no folder that exists"),
        ("pipe.mp4", "not a regular file"),
        ("out", "end its name in .mp4"),
        ("out.doc", "end its name in .mp4"),
        ("out.AVI", "AVI is read, not written, as it holds no times: end the name in .mp4, .mov, .mkv, .webm or .ts"),
        ("x" * 300 + ".mp4", "File name too long"),
    ],
)
def test_places_where_no_film_can_be(tmp_path: Path, info: SourceInfo, name: str, words: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file.txt").touch()
    os.mkfifo(tmp_path / "pipe.mp4")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SinkError, match=words) as caught:
        FileWriter(tmp_path / name, info, EncodeSettings(), overwrite=True)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("link", ["same", "symbolic", "hard"])
def test_the_input_is_never_the_output(tmp_path: Path, link: str) -> None:
    source = tmp_path / "source.mp4"
    SourceMaker(source, range(3), TICK).write()
    before = source.read_bytes()
    target = source if link == "same" else tmp_path / "other.mp4"
    if link == "symbolic":
        target.symlink_to(source)
    elif link == "hard":
        target.hardlink_to(source)
    with pytest.raises(SinkError, match="is the input itself"):
        FileWriter(target, info_of(source), EncodeSettings(), overwrite=True)
    assert source.read_bytes() == before


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_full_disk_leaves_nothing(tmp_path: Path, info: SourceInfo, suffix: str, share: float) -> None:
    measured = tmp_path / f"measured{suffix}"
    write_all(measured, info)
    size = measured.stat().st_size
    measured.unlink()
    with largest_file(int(size * share)), pytest.raises(DiskFullError, match="no space left to write") as caught:
        write_all(tmp_path / f"out{suffix}", info)
    assert caught.value.exit_code == 8
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_when_the_index_moves_to_the_front(tmp_path: Path, info: SourceInfo) -> None:
    write_all(tmp_path / "plain.mp4", info, settings=EncodeSettings(quality=5, faststart=False))
    size = (tmp_path / "plain.mp4").stat().st_size
    (tmp_path / "plain.mp4").unlink()
    # Room for the pictures and sound, and for most of the index.
    with largest_file(size - 64), pytest.raises(DiskFullError):
        write_all(tmp_path / "out.mp4", info)
    assert list(tmp_path.iterdir()) == []


def test_a_device_without_space_is_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError), writing(tmp_path), Path("/dev/full").open("wb") as full:
        full.write(b"x" * 10_000_000)
    with pytest.raises(DiskFullError), writing(tmp_path):
        fill_device()


def fill_device() -> None:
    with av.open("/dev/full", "w", format="matroska") as film:
        stream = film.add_stream("ffv1", rate=25)
        for _ in range(3):
            film.mux(stream.encode(av.VideoFrame(640, 480, "yuv420p")))


@pytest.mark.parametrize(
    "name", ["a:b.mp4", "100%d.mp4", "-i.mp4", "http:x.mp4", "naïve 电影.mp4", "x" * 250 + ".mp4", "a'b\"c.mp4"]
)
def test_names_mean_themselves(tmp_path: Path, info: SourceInfo, name: str) -> None:
    write_all(tmp_path / name, info)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path: Path, info: SourceInfo) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "film.mp4").write_bytes(b"older")
    (tmp_path / "out.mp4").symlink_to(tmp_path / "elsewhere" / "film.mp4")
    write_all(tmp_path / "out.mp4", info, overwrite=True)
    assert (tmp_path / "out.mp4").is_symlink()
    assert len(times_of(tmp_path / "elsewhere" / "film.mp4")) == 25
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["film.mp4"]


def test_a_relative_name_is_taken_from_here(tmp_path: Path, info: SourceInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_all(Path("out.mp4"), info)
    assert len(times_of(tmp_path / "out.mp4")) == 25


def test_the_index_is_first_where_asked(tmp_path: Path, info: SourceInfo) -> None:
    for name, faststart in (("front.mp4", True), ("back.mp4", False)):
        write_all(tmp_path / name, info, settings=EncodeSettings(faststart=faststart))
    front, back = (tmp_path / "front.mp4").read_bytes(), (tmp_path / "back.mp4").read_bytes()
    assert front.index(b"moov") < front.index(b"mdat")
    assert back.index(b"moov") > back.index(b"mdat")


def test_the_file_has_the_rights_that_any_new_file_has(tmp_path: Path, info: SourceInfo) -> None:
    (tmp_path / "plain").touch()
    write_all(tmp_path / "out.mp4", info)
    assert (tmp_path / "out.mp4").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_target_without_links_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError("no links on this disk")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    target = Target(tmp_path / "out.mp4", source=tmp_path / "in.mp4", overwrite=False)
    target.part.write_bytes(b"film")
    target.publish()
    assert (tmp_path / "out.mp4").read_bytes() == b"film"
    assert not target.part.exists()
    late = Target(tmp_path / "late.mp4", source=tmp_path / "in.mp4", overwrite=False)
    (tmp_path / "late.mp4").write_bytes(b"newer")
    with pytest.raises(OutputExistsError):
        late.publish()
    assert (tmp_path / "late.mp4").read_bytes() == b"newer"


def test_every_error_is_of_the_room(tmp_path: Path) -> None:
    with pytest.raises(FacelaneError), writing(tmp_path / "out.mp4"):
        raise av.InvalidDataError(1094995529, "Invalid data")


@pytest.mark.parametrize(
    ("codec", "size", "advice"),
    [
        ("hevc", (18, 4), "hevc can't encode 18x4: use h264 or vp9 or ffv1, or a larger --scale"),
        ("h264", (20000, 16), "h264 can't encode 20000x16: use vp9 or ffv1, or a smaller --scale"),
    ],
)
def test_a_size_that_the_encoder_refuses_is_named(
    tmp_path: Path, info: SourceInfo, codec: CodecName, size: tuple[int, int], advice: str
) -> None:
    writer = FileWriter(tmp_path / "film.mkv", info, EncodeSettings(codec), overwrite=False)
    with pytest.raises(SinkError) as caught:
        writer.write(next(frames_at([0], TICK, size=size)))
    writer.abort()
    assert str(caught.value) == advice
    assert not list(tmp_path.iterdir())
