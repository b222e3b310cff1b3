"""A short clip through a real video codec and back, in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext

from experts.contract import Image

FRAME_RATE = 25


@dataclass(frozen=True, slots=True)
class Codec:
    """An encoder of FFmpeg's, its options, and the decoder for what it makes; `bits_a_pixel` if it works to a rate."""

    encoder: str
    decoder: str
    options: tuple[tuple[str, str], ...]
    bits_a_pixel: float | None = None


def h264(*, crf: float, preset: str, zero_latency: bool) -> Codec:
    """x264 at constant quality; with `zero_latency` as a call has it, else with B-frames as a file has."""
    options = {"crf": f"{crf:.1f}", "preset": preset, "threads": "1", "x264-params": "log-level=error"}
    if zero_latency:
        options["tune"] = "zerolatency"
    return Codec("libx264", "h264", tuple(options.items()))


def vp8(*, bits_a_pixel: float) -> Codec:
    """libvpx in its real-time mode at a rate, as a browser sends it."""
    options = {"deadline": "realtime", "cpu-used": "6", "lag-in-frames": "0", "threads": "1"}
    return Codec("libvpx", "vp8", tuple(options.items()), bits_a_pixel)


def through(codec: Codec, frames: Sequence[Image]) -> list[Image]:
    """The frames, (H, W, 3) uint8 RGB of even sides, as a viewer of the clip sees them (BT.601, limited range)."""
    height, width = frames[0].shape[:2]
    encoder = _encoder(codec, width, height)
    decoder = av.CodecContext.create(codec.decoder, "r")
    assert isinstance(decoder, VideoCodecContext)
    packets = [packet for frame in _planes(frames) for packet in encoder.encode(frame)] + list(encoder.encode(None))
    decoded = [frame for packet in packets for frame in decoder.decode(packet)] + list(decoder.decode(None))
    return [_rgb(frame) for frame in decoded]


def _encoder(codec: Codec, width: int, height: int) -> VideoCodecContext:
    encoder = av.CodecContext.create(codec.encoder, "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FRAME_RATE), Fraction(FRAME_RATE)
    if codec.bits_a_pixel is not None:
        encoder.bit_rate = int(codec.bits_a_pixel * width * height * FRAME_RATE)
    encoder.options = dict(codec.options)
    return encoder


def _planes(frames: Sequence[Image]) -> Iterable[av.VideoFrame]:
    for pts, image in enumerate(frames):
        planes = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = pts, Fraction(1, FRAME_RATE)
        yield frame


def _rgb(frame: av.VideoFrame) -> Image:
    image = cv2.cvtColor(frame.to_ndarray(format="yuv420p"), cv2.COLOR_YUV2RGB_I420)
    return np.asarray(image, np.uint8)
