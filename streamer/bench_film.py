"""A small clip as a file, as cameras and sites hand them out: H.264 at constant quality."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from experts.contract import Image
from streamer.color import SPACE_TAG, ColorSpec, from_rgb

RATE = 25
_COLOR = ColorSpec(space=SPACE_TAG["bt601"])
_LIMITED = 1
"""FFmpeg's number of a range of 16 to 235."""


def write(path: Path, frames: Sequence[Image], *, crf: float, preset: str = "medium") -> None:
    """Codes (H, W, 3) uint8 RGB of even sides with x264, B-frames and lookahead as its preset has them."""
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as film:
        options = {"crf": f"{crf:g}", "preset": preset, "x264-params": "log-level=error"}
        stream = film.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = _COLOR.space, _LIMITED
        for number, frame in enumerate(frames):
            film.mux(stream.encode(_coded(frame, number)))
        film.mux(stream.encode(None))


def _coded(picture: Image, number: int) -> av.VideoFrame:
    planes = np.concatenate([plane.ravel() for plane in from_rgb(picture, _COLOR)])
    frame = av.VideoFrame.from_ndarray(planes.reshape(-1, picture.shape[1]), format="yuv420p")
    frame.pts, frame.time_base = number, Fraction(1, RATE)
    frame.colorspace, frame.color_range = _COLOR.space, _LIMITED
    return frame
