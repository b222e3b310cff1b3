"""Pictures as graphics cards hand them down, two chroma channels in one plane, come out as the same picture decoded by
the processor does."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from streamer.color import ColorSpec, Planes
from streamer.media.convert import convert
from streamer.media.deinterlace import Deinterlacer
from streamer.media.tonemap import USUAL_PEAK
from tests.helpers.clips import Samples, frame_of, noise_samples, write_clip

SIZES = [(48, 64), (47, 61)]
# What the processor decodes, and what a card gives in its place.
AS_CARD = {
    "yuv420p": "nv12",
    "yuv422p": "nv16",
    "yuv420p10le": "p010le",
    "yuv420p12le": "p012le",
    "yuv422p10le": "p210le",
}


def as_card(frame: av.VideoFrame) -> av.VideoFrame:
    """The same picture with its chroma in one plane, its samples at the upper end of their 16 bits."""
    shift = 16 - frame.format.components[0].bits if frame.format.components[0].bits > 8 else 0
    y, u, v = (samples << shift for samples in samples_of(frame))
    full_range = {1: False, 2: True}.get(frame.color_range)
    made = frame_of(AS_CARD[frame.format.name], [y, np.stack([u, v], axis=2)], full_range=full_range)
    made.colorspace, made.color_trc = frame.colorspace, frame.color_trc
    made.color_primaries = frame.color_primaries
    return made


def samples_of(frame: av.VideoFrame) -> list[Samples]:
    kind = np.uint8 if frame.format.components[0].bits == 8 else np.uint16
    return [
        np.frombuffer(memoryview(plane), kind)
        .reshape(-1, plane.line_size // np.dtype(kind).itemsize)[: plane.height, : plane.width]
        .copy()
        for plane in frame.planes
    ]


@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("format", sorted(AS_CARD))
def test_chroma_in_one_plane_is_taken_apart_exactly(format: str, size: tuple[int, int], full_range: bool) -> None:
    decoded = frame_of(format, noise_samples(format, *size), space=1, full_range=full_range)
    planes, color = convert(decoded)
    card_planes, card_color = convert(as_card(decoded))
    assert color == card_color == ColorSpec("bt709", full_range, 2, 2, 1)
    assert all(np.array_equal(one, other) for one, other in zip(planes, card_planes, strict=True))
    assert all(plane.flags.c_contiguous for plane in card_planes)


@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
def test_12_bits_that_are_called_16_are_the_same_within_rounding(full_range: bool) -> None:
    """A card gives HEVC of 12 bits as P016, whose white is a little brighter than the film's."""
    decoded = frame_of("yuv420p12le", noise_samples("yuv420p12le", 48, 64), space=1, full_range=full_range)
    y, u, v = (samples << 4 for samples in samples_of(decoded))
    card = frame_of("p016le", [y, np.stack([u, v], axis=2)], space=1, full_range=full_range)
    for one, other in zip(convert(decoded)[0], convert(card)[0], strict=True):
        assert np.abs(one.astype(int) - other).max() <= (1 if full_range else 0)


@pytest.mark.parametrize("transfer", [16, 18], ids=["pq", "hlg"])
def test_hdr_is_tone_mapped_alike(transfer: int) -> None:
    decoded = frame_of("yuv420p10le", noise_samples("yuv420p10le", 48, 64), space=9, full_range=False)
    decoded.color_trc, decoded.color_primaries = transfer, 9
    (planes, color), (card_planes, card_color) = (
        convert(frame, peak=USUAL_PEAK) for frame in (decoded, as_card(decoded))
    )
    assert color == card_color
    assert all(np.array_equal(one, other) for one, other in zip(planes, card_planes, strict=True))


@pytest.mark.parametrize(("format", "card"), [("yuv420p", "nv12"), ("yuv420p10le", "p010le")])
def test_fields_are_joined_alike(tmp_path: Path, format: str, card: str) -> None:
    """NVDEC gives both fields of an interlaced picture in one, as they are; FFmpeg's filter joins them."""
    pictures = [frame_of(format, noise_samples(format, 64, 96, seed=seed), space=1) for seed in range(5)]
    options = {"qp": "0", "preset": "ultrafast", "x264-params": "interlaced=1:tff=1"}
    path = write_clip(tmp_path / "film.mkv", pictures, codec="libx264", options=options)
    with av.open(path) as film:
        decoded = list(film.decode(video=0))
    ours, theirs = joined(decoded), joined([frame.reformat(format=card) for frame in decoded])
    assert len(ours) == len(theirs) == len(pictures)
    for frame, (planes, color), (card_planes, card_color) in zip(decoded, ours, theirs, strict=True):
        assert frame.interlaced_frame
        assert color == card_color
        assert all(np.array_equal(one, other) for one, other in zip(planes, card_planes, strict=True))
        assert not np.array_equal(planes[0], convert(frame)[0][0])


def joined(frames: list[av.VideoFrame]) -> list[tuple[Planes, ColorSpec]]:
    deinterlacer = Deinterlacer()
    pairs = [pair for frame in frames for pair in deinterlacer.feed(frame)] + [*deinterlacer.flush()]
    return [convert(picture) for picture, _ in pairs]
