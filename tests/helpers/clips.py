"""Clips made for tests of what is read: any codec, pixel format, tag, time and container, by FFmpeg."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

Samples = npt.NDArray[Any]


def natural(
    height: int, width: int, *, seed: int = 0, low: float = 20.0, high: float = 230.0
) -> npt.NDArray[np.float64]:
    """A smooth random RGB picture (h, w, 3) between two levels: soft shapes, every hue."""
    noise = np.random.default_rng(seed).random((height, width, 3))
    soft = cv2.GaussianBlur(noise, (0, 0), max(2.0, width / 24))
    spread = (soft - soft.min((0, 1))) / np.ptp(soft, axis=(0, 1))
    return np.asarray(low + (high - low) * spread, np.float64)


def noise_samples(format: str, height: int, width: int, *, seed: int = 0) -> list[Samples]:
    """One array of random numbers for each plane of a planar format, using every value."""
    rng = np.random.default_rng(seed)
    described = av.VideoFormat(format, width, height)
    depth = described.components[0].bits
    kind = np.uint8 if depth <= 8 else np.uint16
    sizes = {part.plane: (part.height, part.width) for part in described.components}
    return [rng.integers(0, 1 << depth, sizes[plane], dtype=kind) for plane in sorted(sizes)]


def frame_of(
    format: str, samples: Sequence[Samples], *, space: int = 2, full_range: bool | None = None
) -> av.VideoFrame:
    """A picture with these samples, plane by plane."""
    height, width = samples[0].shape[:2]
    frame = av.VideoFrame(width, height, format)
    for plane, values in zip(frame.planes, samples, strict=True):
        size = values.dtype.itemsize
        lines = np.zeros((plane.buffer_size // plane.line_size, plane.line_size // size), values.dtype)
        flat = values.reshape(values.shape[0], -1)
        lines[: flat.shape[0], : flat.shape[1]] = flat
        plane.update(lines.tobytes())
    frame.colorspace = space
    if full_range is not None:
        frame.color_range = 2 if full_range else 1
    return frame


def write_clip(
    path: Path,
    frames: Iterable[av.VideoFrame],
    *,
    codec: str = "ffv1",
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
    times: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    transfer: int = 2,
    primaries: int = 2,
    turned: float = 0,
    mirrored: bool = False,
    sar: Fraction | None = None,
) -> Path:
    """A film of these pictures, tagged as the first one is, at these times (or one a unit of the time base)."""
    frames = list(frames)
    first = frames[0]
    with av.open(str(path), "w", options=dict(container_options or {})) as output:
        stream = output.add_stream(codec, rate=Fraction(25), options=dict(options or {}))
        assert isinstance(stream, VideoStream)
        _describe(stream, first, time_base, transfer=transfer, primaries=primaries)
        if sar is not None:
            stream.codec_context.sample_aspect_ratio = sar
        if turned or mirrored:
            stream.set_display_rotation(turned, hflip=mirrored)
        for frame, time in zip(frames, times or range(len(frames)), strict=True):
            frame.pts, frame.time_base = time, time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def _describe(stream: VideoStream, first: av.VideoFrame, time_base: Fraction, *, transfer: int, primaries: int) -> None:
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = first.width, first.height, first.format.name
    context.time_base = time_base
    context.colorspace, context.color_range = first.colorspace, first.color_range
    context.color_trc, context.color_primaries = transfer, primaries


def moving_frames(count: int, *, height: int = 48, width: int = 64) -> list[av.VideoFrame]:
    """yuv420p pictures with a bar that moves: work for an encoder, and no two alike."""
    made = []
    for index in range(count):
        luma = np.tile(np.linspace(40, 200, width).astype(np.uint8), (height, 1))
        luma[:, (3 * index) % width : (3 * index) % width + 6] = 16
        chroma = np.full(((height + 1) // 2, (width + 1) // 2), 110 + index % 30, np.uint8)
        made.append(frame_of("yuv420p", [luma, chroma, chroma]))
    return made
