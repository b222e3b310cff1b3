"""What the NVIDIA card of this machine does for films, NVDEC's decoders and NVENC's encoders: found by using them."""

from __future__ import annotations

import ctypes
import io
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Literal

import av
from av.codec.codec import UnknownCodecError
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.video.codeccontext import VideoCodecContext

from streamer.media.demux import describe

logger = logging.getLogger(__name__)

Device = Literal["cpu", "cuda", "auto"]
"""Where pictures are decoded or encoded; "auto": on the card where that works, else on the processor."""

SAMPLES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "h264": ("libx264", {"preset": "ultrafast"}),
    "hevc": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    "av1": ("libsvtav1", {"preset": "10"}),
}
"""What NVDEC is tried with: each codec, with the encoder and its options that make pictures of it."""

_NVENC = ("h264_nvenc", "hevc_nvenc", "av1_nvenc")
# More than the least that any card takes.
_SIDE, _FRAMES, _RATE = 256, 4, 25
# The parts of the driver, as FFmpeg loads them; no package brings them along.
_Part = Literal["CUDA", "NVDEC", "NVENC"]
_LIBRARIES: Mapping[str, Mapping[_Part, str]] = {
    "linux": {"CUDA": "libcuda.so.1", "NVDEC": "libnvcuvid.so.1", "NVENC": "libnvidia-encode.so.1"},
    "win32": {"CUDA": "nvcuda.dll", "NVDEC": "nvcuvid.dll", "NVENC": "nvEncodeAPI64.dll"},
}
_CONTAINER_HINT = "a container wants NVIDIA_DRIVER_CAPABILITIES=compute,video"


@dataclass(frozen=True, slots=True)
class Hardware:
    """A decoder or encoder of the card. `name`: the codec that is decoded, or FFmpeg's name of the encoder. `fault`:
    in a few words why it can't be used; empty where it was used a moment ago."""

    name: str
    fault: str = ""

    @property
    def works(self) -> bool:
        return not self.fault


def hardware_decoders() -> list[Hardware]:
    """What NVDEC decodes here: a few pictures of each codec are. Takes a second or so where there is a card."""
    return [Hardware(codec, _decoder_fault(codec)) for codec in SAMPLES]


def hardware_encoders() -> list[Hardware]:
    """What NVENC encodes here: each makes a few pictures."""
    return [Hardware(name, card_fault(name)) for name in _NVENC]


def cuda_decoding() -> HWAccel:
    """What `av.open` takes to decode on the card; pictures come down into memory, as NV12, P010 or the like.

    FFmpeg makes a CUDA context of its own: it takes the one that torch uses only where torch has not begun yet. It may
    go on in software where the card refuses a stream: `is_accelerated` tells, for whoever decodes to decide.
    """
    return HWAccel("cuda", allow_software_fallback=True)


def is_accelerated(context: VideoCodecContext) -> bool:
    """Whether the card decodes this, which is known once a picture came: FFmpeg changes the pixel format where it
    turns away from the card."""
    return context.is_hwaccel and context.pix_fmt == "cuda"


def decoding_fault() -> str:
    """Why no stream at all can be decoded on a card here, empty where some can; looked for anew each time, as a card
    whose memory is full has some again later."""
    if fault := _driver_fault("NVDEC"):
        return fault
    try:
        av.CodecContext.create("h264", "r", hwaccel=cuda_decoding())
    except av.FFmpegError as error:
        logger.debug("no CUDA device: %s", describe(error))
        return "the NVIDIA driver gives no card to work with"
    return ""


def card_fault(name: str) -> str:
    """Why NVENC's encoder `name` can't be used here at all, empty where it can; looked for anew each time, as its
    sessions may all be in use for a while."""
    return encoder_fault(name, {}, _SIDE, _SIDE)


def encoder_fault(name: str, options: Mapping[str, str], width: int, height: int) -> str:
    """Why FFmpeg's encoder `name` can't be used here with these options for 4:2:0 pictures of 8 bits and this size;
    empty where a few could be encoded just now. With a card this takes a few tenths of a second."""
    if fault := _driver_fault("NVENC"):
        return fault
    try:
        encode_blank(name, options, width, height)
    except UnknownCodecError:
        return f"this build of FFmpeg has no {name}"
    except av.FFmpegError as error:
        return _nvenc_fault(error)
    return ""


def encode_blank(name: str, options: Mapping[str, str], width: int, height: int) -> bytes:
    """A Matroska file of a few grey pictures, made by FFmpeg's encoder `name`. Raises av.FFmpegError."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream(name, rate=_RATE, options=dict(options))
        assert isinstance(stream.codec_context, VideoCodecContext)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = Fraction(1, _RATE)
        picture = av.VideoFrame(width, height, "yuv420p")
        for plane in picture.planes:
            plane.update(bytes([128]) * plane.buffer_size)
        for index in range(_FRAMES):
            picture.pts = index
            container.mux(context.encode(picture))
        container.mux(context.encode(None))
    return file.getvalue()


def _decoder_fault(codec: str) -> str:
    if fault := decoding_fault():
        return fault
    encoder, options = SAMPLES[codec]
    try:
        sample = io.BytesIO(encode_blank(encoder, options, _SIDE, _SIDE))
    except UnknownCodecError:
        return f"not tried, as this build of FFmpeg has no {encoder} to make pictures for it"
    try:
        with av.open(sample, "r", hwaccel=cuda_decoding()) as container:
            stream = container.streams.video[0]
            pictures = len(list(container.decode(stream)))
            works = is_accelerated(stream.codec_context) and pictures == _FRAMES
            return "" if works else refusal(stream.codec_context)
    except av.FFmpegError as error:
        return f"NVDEC fails: {describe(error)}"


def refusal(context: VideoCodecContext) -> str:
    """Why NVDEC doesn't decode what this decoder was given, as far as can be told."""
    if not context.is_hwaccel:
        return f"FFmpeg's decoder {context.name} knows no NVDEC"
    return f"NVDEC does not take {context.width}x{context.height} {context.codec.canonical_name} in {context.pix_fmt}"


def _nvenc_fault(error: av.FFmpegError) -> str:
    """What FFmpeg's errors mean where NVENC is opened (`nvenc_load_libraries`, `nvenc_errors` in its nvenc.c)."""
    if isinstance(error, av.error.NotImplementedError):
        return "the NVIDIA driver is too old for this build of FFmpeg, or its card can't encode this"
    if isinstance(error, av.error.UnknownError):
        return "the NVIDIA driver gives no card to work with"
    if isinstance(error, av.error.ExternalError):
        return "no NVIDIA card here encodes that, in this size and with these options, or all its sessions are in use"
    if isinstance(error, av.error.ArgumentError):
        return "NVENC takes no pictures of this size, or not these options"
    if isinstance(error, av.error.MemoryError):
        return "the NVIDIA card has no memory or no encoding session left"
    return f"NVENC can't be opened: {describe(error)}"


@cache
def _driver_fault(part: _Part) -> str:
    """What the driver lacks, found by loading what FFmpeg would."""
    libraries = _LIBRARIES.get(sys.platform)
    if libraries is None or "cuda" not in hwdevices_available():
        return f"this build of FFmpeg has no {part}"
    if not _loads(libraries["CUDA"]):
        return f"no NVIDIA driver here ({libraries['CUDA']} does not load)"
    if not _loads(libraries[part]):
        return f"the NVIDIA driver comes without {part} ({libraries[part]} does not load; {_CONTAINER_HINT})"
    return ""


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError as error:
        logger.debug("%s", error)
        return False
    return True
