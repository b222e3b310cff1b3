"""Turned, mirrored, resized, interlaced and oddly shaped films."""

from __future__ import annotations

import gc
import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streamer.color import ColorSpec
from streamer.frame import Frame
from streamer.media.conform import fitted, recolored
from streamer.media.convert import convert
from streamer.media.deinterlace import Deinterlacer
from streamer.media.orient import Orientation, from_matrix, orient
from streamer.media.reader import FileReader
from tests.helpers.clips import Samples, frame_of, moving_frames, noise_samples, write_clip
from tests.streamer.test_color import psnr

LOSSLESS = {"qp": "0", "preset": "ultrafast"}
ONE = 1 << 16
MATRICES = {
    (ONE, 0, 0, ONE): Orientation(0),
    (0, ONE, -ONE, 0): Orientation(90),
    (-ONE, 0, 0, -ONE): Orientation(180),
    (0, -ONE, ONE, 0): Orientation(270),
    (-ONE, 0, 0, ONE): Orientation(0, mirrored=True),
    (ONE, 0, 0, -ONE): Orientation(180, mirrored=True),
    (0, ONE, ONE, 0): Orientation(270, mirrored=True),
    (0, -ONE, -ONE, 0): Orientation(90, mirrored=True),
    (2 * ONE, 3000, -3000, 2 * ONE): Orientation(0),
    (0, 0, 0, 0): Orientation(0),
}


@pytest.mark.parametrize(("matrix", "orientation"), MATRICES.items())
def test_a_display_matrix_is_read_as_the_standard_has_it(
    matrix: tuple[int, int, int, int], orientation: Orientation
) -> None:
    a, b, c, d = matrix
    assert from_matrix((a, b, 0, c, d, 0, 0, 0, 1 << 30)) == orientation


def shown(plane: Samples, degrees: int, mirrored: bool) -> Samples:
    """A plane as a player shows it that turns counter-clockwise, then mirrors, which is how PyAV writes it."""
    turned = np.rot90(plane, degrees // 90)
    return turned[:, ::-1] if mirrored else turned


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_metadata_is_applied(tmp_path: Path, degrees: int, mirrored: bool) -> None:
    samples = noise_samples("yuv420p", 48, 64)
    path = write_clip(
        tmp_path / "turned.mp4",
        [frame_of("yuv420p", samples)],
        codec="libx264",
        options=LOSSLESS,
        turned=degrees,
        mirrored=mirrored,
        sar=Fraction(4, 3),
    )
    with FileReader(path) as reader:
        frame = next(iter(reader))
        info = reader.info
    for plane, stored in zip(frame.planes, samples, strict=True):
        assert np.array_equal(plane, shown(stored, degrees, mirrored))
        assert plane.flags.c_contiguous
    sideways = degrees in (90, 270)
    assert (info.width, info.height) == (frame.width, frame.height) == ((48, 64) if sideways else (64, 48))
    assert info.sar == (Fraction(3, 4) if sideways else Fraction(4, 3))
    assert info.mirrored == mirrored
    assert (info.rotation != 0) == (degrees != 0)


def photograph(path: Path, exif_orientation: int) -> Path:
    """A JPEG as a telephone writes it, with the EXIF tag 0x112 (CIPA DC-008, 4.6.4); without any for 0."""
    picture = (noise_samples("yuv444p", 48, 64)[0] // 4 + 90).repeat(2, 0).repeat(2, 1)
    _, encoded = cv2.imencode(".jpg", picture)
    jpeg = encoded.tobytes()
    tag = struct.pack("<HHHIII", 1, 0x112, 3, 1, exif_orientation, 0)
    body = b"Exif\0\0II*\0" + struct.pack("<I", 8) + tag
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    path.write_bytes(jpeg[:2] + (segment if exif_orientation else b"") + jpeg[2:])
    return path


@pytest.mark.parametrize(("exif_orientation", "degrees"), [(1, 0), (3, 180), (6, 90), (8, 270)])
def test_a_photograph_is_turned_as_its_exif_says(tmp_path: Path, exif_orientation: int, degrees: int) -> None:
    plain, turned = (
        FileReader(photograph(tmp_path / f"{number}.jpg", number), threads=1) for number in (0, exif_orientation)
    )
    with plain, turned:
        stored, shown_upright = next(iter(plain)).y, next(iter(turned)).y
    assert turned.info.rotation == degrees
    assert not turned.info.mirrored
    assert np.array_equal(shown_upright, np.rot90(stored, -degrees // 90))


def test_no_decoded_frame_waits_for_the_garbage_collector(tmp_path: Path) -> None:
    """They would be hundreds, of megabytes each."""
    path = write_clip(tmp_path / "film.mp4", moving_frames(60), codec="libx264", turned=90)
    gc.collect()
    gc.disable()
    try:
        with FileReader(path) as reader:
            count = sum(1 for _ in reader)
        # By type, not isinstance: that asks every object for its class, and some answer with a warning.
        lingering = sum(issubclass(type(thing), av.VideoFrame) for thing in gc.get_objects())
    finally:
        gc.enable()
    assert count == 60
    assert lingering <= 2  # the first, whose display matrix was read


@pytest.mark.parametrize("orientation", [Orientation(90), Orientation(180, mirrored=True), Orientation(270)])
def test_odd_sizes_turn_too(orientation: Orientation) -> None:
    planes = tuple(noise_samples("yuv420p", 35, 51))
    turned = orient((planes[0], planes[1], planes[2]), orientation)
    for plane, stored in zip(turned, planes, strict=True):
        mirrored = stored[:, ::-1] if orientation.mirrored else stored
        assert np.array_equal(plane, np.rot90(mirrored, -orientation.rotation // 90))


def joined(tmp_path: Path, *sizes: tuple[int, int]) -> Path:
    """A transport stream whose picture changes size, as broadcasts do."""
    path = tmp_path / "changing.ts"
    parts = []
    for number, (height, width) in enumerate(sizes):
        times = range(10 * number, 10 * number + 10)
        frames = moving_frames(10, height=height, width=width)
        part = write_clip(
            tmp_path / f"{number}.ts", frames, codec="libx264", options=LOSSLESS | {"bf": "0"}, times=times
        )
        parts.append(part.read_bytes())
    path.write_bytes(b"".join(parts))
    return path


def test_a_change_of_size_is_made_to_fit_the_first_picture(tmp_path: Path) -> None:
    with FileReader(joined(tmp_path, (48, 64), (96, 64), (48, 64))) as reader:
        frames = list(reader)
    assert len(frames) == 30
    assert {(frame.width, frame.height) for frame in frames} == {(64, 48)}
    assert reader.counters.resized_frames == 10
    tall = frames[15].y
    assert (tall[:, :16] == 16).all()  # 96 rows shrink to 48, so 64 columns to 32, between black bars
    assert (tall[:, 48:] == 16).all()
    assert tall[:, 16:48].mean() > 60
    assert np.array_equal(frames[25].y, convert(moving_frames(10)[5])[0][0])


def test_a_change_of_matrix_keeps_the_film_in_one(tmp_path: Path) -> None:
    """Without tags the matrix goes by the size, so a change of size can change it."""
    with FileReader(joined(tmp_path, (576, 64), (720, 64))) as reader:
        frames = list(reader)
    assert {frame.color.matrix for frame in frames} == {"bt601"}
    assert len(frames) == 20


def test_recolored_planes_look_the_same() -> None:
    planes, _ = convert(moving_frames(3)[2])
    limited, full = ColorSpec("bt601", False), ColorSpec("bt709", True)
    before = Frame(*planes, limited, 0, Fraction(1), 0, 0.0).rgb()
    after = Frame(*recolored(planes, limited, full), full, 0, Fraction(1), 0, 0.0).rgb()
    assert psnr(before, after) > 42
    assert recolored(planes, limited, ColorSpec("bt601", False, 1, 1, 6)) is planes


@pytest.mark.parametrize("size", [(47, 61), (30, 200), (200, 30), (96, 128)])
def test_a_fitted_picture_is_centred_with_its_proportions(size: tuple[int, int]) -> None:
    height, width = size
    half = ((height + 1) // 2, (width + 1) // 2)
    white = np.full(size, 235, np.uint8), np.full(half, 90, np.uint8), np.full(half, 160, np.uint8)
    luma, u, v = fitted(white, 72, 128, black=(16, 128, 128))
    rows, columns = np.flatnonzero(luma[:, 64] > 100), np.flatnonzero(luma[36] > 100)
    assert abs(len(columns) / len(rows) - width / height) < 0.05 * width / height + 2 / len(rows)
    assert abs((rows[0] + rows[-1]) / 2 - 35.5) <= 1
    assert abs((columns[0] + columns[-1]) / 2 - 63.5) <= 1
    assert np.array_equal(u == 90, luma[::2, ::2] == 235)
    assert np.array_equal(v == 160, luma[::2, ::2] == 235)


def combed(count: int) -> list[av.VideoFrame]:
    """A bar that has moved on in every second line."""
    frames = []
    for index in range(count):
        luma = np.full((64, 96), 60, np.uint8)
        for field in (0, 1):
            left = 8 + 8 * index + 4 * field
            luma[field::2, left : left + 12] = 200
        chroma = np.full((32, 48), 128, np.uint8)
        frames.append(frame_of("yuv420p", [luma, chroma, chroma]))
    return frames


def combing(luma: Samples) -> float:
    """How much neighbouring lines differ more than lines of one field do."""
    lines = luma.astype(float)
    return float(np.abs(np.diff(lines, axis=0)).mean() - np.abs(lines[2:] - lines[:-2]).mean())


def test_interlaced_frames_are_made_whole_one_for_one(tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "fields.mkv",
        combed(6),
        codec="libx264",
        options=LOSSLESS | {"x264-params": "interlaced=1:tff=1"},
        times=[0, 2, 4, 7, 9, 20],
    )
    with FileReader(path) as reader:
        frames = list(reader)
        assert reader.info.interlaced
    assert [round(frame.pts * frame.time_base * 25) for frame in frames] == [0, 2, 4, 7, 9, 20]
    assert reader.counters.deinterlaced_frames == 6
    for frame, stored in zip(frames[1:-1], combed(6)[1:-1], strict=True):
        assert combing(frame.y) < 0.35 * combing(convert(stored)[0][0])
        assert frame.color == frames[0].color


@pytest.mark.parametrize("count", [1, 2])
def test_the_shortest_interlaced_films_keep_all_frames(count: int) -> None:
    deinterlacer = Deinterlacer()
    deinterlacer.is_active = True
    frames = [frame.reformat(format="yuv422p") for frame in combed(count)]
    originals = []
    for pts, frame in enumerate(frames):
        frame.pts, frame.time_base = pts, Fraction(1, 25)
        originals += [original for _, original in deinterlacer.feed(frame)]
    originals += [original for _, original in deinterlacer.flush()]
    assert originals == frames


def test_progressive_frames_among_interlaced_ones_stay_as_they_are(tmp_path: Path) -> None:
    first = write_clip(
        tmp_path / "a.ts", combed(4), codec="libx264", options=LOSSLESS | {"x264-params": "interlaced=1:tff=1"}
    )
    plain = moving_frames(4, height=64, width=96)
    second = write_clip(tmp_path / "b.ts", plain, codec="libx264", options=LOSSLESS, times=range(4, 8))
    path = tmp_path / "both.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    with FileReader(path) as reader:
        frames = list(reader)
    assert len(frames) == 8
    assert reader.counters.deinterlaced_frames == 4
    for frame, stored in zip(frames[4:], plain, strict=True):
        assert np.array_equal(frame.y, convert(stored)[0][0])


def test_the_deinterlacer_does_nothing_to_progressive_film() -> None:
    deinterlacer = Deinterlacer()
    for frame in moving_frames(3):
        assert list(deinterlacer.feed(frame)) == [(frame, frame)]
    assert list(deinterlacer.flush()) == []


def test_shrinking_averages() -> None:
    checks = (np.indices((64, 64)).sum(0) % 2 * 200 + 20).astype(np.uint8)
    chroma = np.full((32, 32), 128, np.uint8)
    luma, _, _ = fitted((checks, chroma, chroma), 16, 16, black=(16, 128, 128))
    assert np.array_equal(luma, cv2.resize(checks, (16, 16), interpolation=cv2.INTER_AREA))
