"""A short clip through a real video codec and back, in memory; through two, where a relay codes it again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from experts.contract import Image

FRAME_RATE = 25
_BUFFER_SECONDS = 0.6
"""What a call's encoder may run ahead of its rate."""


@dataclass(frozen=True, slots=True)
class Codec:
    """An encoder of FFmpeg's, its options, and the decoder for what it makes; `bits_a_pixel` if it works to a rate.

    `keys`: frames that are made key frames, besides the first. `before`: the codec of an earlier encode, whose pictures
    were `before_size` times as wide and high.
    """

    encoder: str
    decoder: str
    options: tuple[tuple[str, str], ...]
    bits_a_pixel: float | None = None
    keys: tuple[int, ...] = ()
    before: Codec | None = None
    before_size: float = 1.0


def h264(*, crf: float, preset: str, zero_latency: bool) -> Codec:
    """x264 at constant quality; with `zero_latency` as a call has it, else with B-frames as a file has."""
    return Codec("libx264", "h264", (("crf", f"{crf:.1f}"), *_x264(preset, zero_latency)))


def h264_at_rate(*, bits_a_pixel: float, preset: str, zero_latency: bool) -> Codec:
    """x264 held to a rate by a small buffer (VBV), as a call has it: what moves or begins is coarse at first."""
    return Codec("libx264", "h264", _x264(preset, zero_latency), bits_a_pixel)


def _x264(preset: str, zero_latency: bool) -> tuple[tuple[str, str], ...]:
    options = (("preset", preset), ("threads", "1"), ("x264-params", "log-level=error"))
    return (*options, ("tune", "zerolatency")) if zero_latency else options


def vp8(*, bits_a_pixel: float) -> Codec:
    """libvpx in its real-time mode at a rate, as a browser sends it.

    The speed is negative, which fixes it; a positive one is what to begin with, and follows the machine's load.
    """
    return Codec("libvpx", "vp8", _vpx("-6"), bits_a_pixel)


def vp9(*, bits_a_pixel: float) -> Codec:
    """The same of VP9."""
    return Codec("libvpx-vp9", "vp9", _vpx("8"), bits_a_pixel)


def _vpx(speed: str) -> tuple[tuple[str, str], ...]:
    return (("deadline", "realtime"), ("cpu-used", speed), ("lag-in-frames", "0"), ("threads", "1"))


def through(codec: Codec, frames: Sequence[Image]) -> list[Image]:
    """The frames, (H, W, 3) uint8 RGB of even sides, as a viewer of the clip sees them (BT.601, limited range)."""
    if codec.before is not None:
        height, width = frames[0].shape[:2]
        earlier = through(codec.before, [_resized(frame, *_even(width, height, codec.before_size)) for frame in frames])
        frames = [_resized(frame, width, height) for frame in earlier]
    height, width = frames[0].shape[:2]
    encoder = _encoder(codec, width, height)
    decoder = av.CodecContext.create(codec.decoder, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    packets = [packet for frame in _planes(frames, codec.keys) for packet in encoder.encode(frame)]
    packets += encoder.encode(None)
    decoded = [frame for packet in packets for frame in decoder.decode(packet)] + list(decoder.decode(None))
    return [_rgb(frame) for frame in decoded]


def _even(width: int, height: int, size: float) -> tuple[int, int]:
    return 2 * round(width * size / 2), 2 * round(height * size / 2)


def _resized(frame: Image, width: int, height: int) -> Image:
    """As servers scale: averaged on the way down, bilinear on the way up."""
    shrinks = width < frame.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame, (width, height), interpolation=method), np.uint8)


def _encoder(codec: Codec, width: int, height: int) -> VideoCodecContext:
    encoder = av.CodecContext.create(codec.encoder, "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FRAME_RATE), Fraction(FRAME_RATE)
    options = dict(codec.options)
    if codec.bits_a_pixel is not None:
        rate = int(codec.bits_a_pixel * width * height * FRAME_RATE)
        encoder.bit_rate = rate
        options |= {"maxrate": str(rate), "bufsize": str(int(rate * _BUFFER_SECONDS))}
    encoder.options = options
    return encoder


def _planes(frames: Sequence[Image], keys: Sequence[int]) -> Iterable[av.VideoFrame]:
    for pts, image in enumerate(frames):
        planes = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = pts, Fraction(1, FRAME_RATE)
        if pts in keys:
            frame.pict_type = PictureType.I
        yield frame


def _rgb(frame: av.VideoFrame) -> Image:
    image = cv2.cvtColor(frame.to_ndarray(format="yuv420p"), cv2.COLOR_YUV2RGB_I420)
    return np.asarray(image, np.uint8)
