"""Planes into FFmpeg's pictures, and what their numbers mean into its encoders."""

from __future__ import annotations

import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.plane import VideoPlane

from streamer.color import ColorSpec, Plane


def view(plane: VideoPlane) -> Plane:
    """The (H, W) pixels of a plane in FFmpeg's buffer, writeable; valid as long as its picture."""
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return lines[:, : plane.width]


def fill(target: Plane, source: Plane) -> None:
    """Copy a plane into a place that is as large or padded by one, repeating the last column and row into what is."""
    height, width = source.shape
    target[:height, :width] = source
    if target.shape[1] > width:
        target[:height, width] = source[:, -1]
    if target.shape[0] > height:
        target[height] = target[height - 1]


def even(size: int) -> int:
    """The next even number, which chroma of half a size needs."""
    return size + size % 2


def tag(context: VideoCodecContext, color: ColorSpec) -> None:
    """Write what the numbers mean, an unstated matrix as the one in use."""
    context.color_range = 2 if color.full_range else 1
    context.color_primaries = color.primaries
    context.color_trc = color.transfer
    context.colorspace = color.matrix_tag
