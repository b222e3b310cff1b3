"""The picture track of a file that is being written: planes into an encoder, times kept."""

from __future__ import annotations

import logging
from fractions import Fraction

import av
from av.codec.context import Flags
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from streamer.color import ColorSpec
from streamer.errors import SinkError
from streamer.frame import Frame
from streamer.media.choosing import choose
from streamer.media.containers import Container
from streamer.media.encoders import CARD_ENCODERS, EncodeSettings
from streamer.media.planes import fill, tag, view

logger = logging.getLogger(__name__)

# Encoders that take chroma of half a size only where the size is even.
_EVEN_ONLY = frozenset({"h264", "hevc", "av1"})
# The codecs that take what others refuse: a few pixels, or more than this many a side.
_LARGE = 8192
_TAKE_SMALL, _TAKE_LARGE = ("h264", "vp9", "ffv1"), ("vp9", "ffv1")
_USUAL_RATE = Fraction(25)
_SQUARE = Fraction(1)
# Sources of variable rate may claim thousands; encoders plan their bits by the rate, and SVT-AV1 refuses more.
_MAX_RATE = Fraction(240)


class VideoTrack:
    """One encoder and its stream in an output container, set up by the first frame.

    The encoder counts in the source's own time base, so that times come out as they went in. Making one raises
    SinkError where the encoder refuses the pictures, as most do below or beyond some size.
    """

    def __init__(
        self,
        output: OutputContainer,
        first: Frame,
        *,
        settings: EncodeSettings,
        container: Container,
        rate: Fraction | None = None,
        sar: Fraction = _SQUARE,
    ) -> None:
        """`rate`: frames a second on average, where known. `sar`: width over height of one pixel."""
        self.notes: list[str] = []
        self.moved = 0
        self._size = (first.width, first.height)
        self._last_pts: int | None = None
        even = settings.codec in _EVEN_ONLY
        self._padded = (first.width + (even and first.width % 2), first.height + (even and first.height % 2))
        self._time_base = first.time_base
        self._chosen = choose(settings, *self._padded)
        logger.info("encoded by %s", self._chosen)
        self.stream = self._open(output, first.color, rate, sar, settings, container)
        if self._padded != self._size:
            self._say(f"padded from {_x(self._size)} to {_x(self._padded)}: {settings.codec} takes even sizes only")

    @property
    def encoder(self) -> str:
        """FFmpeg's name of what encodes, and why it is not the card's where that was wanted."""
        return str(self._chosen)

    def encode(self, frame: Frame) -> list[Packet[VideoStream]]:
        """Take the next frame; return what the encoder has ready. Raises SinkError where the size changed."""
        if (frame.width, frame.height) != self._size:
            raise SinkError(
                f"frame {frame.seq} is {frame.width}x{frame.height} in a film of {_x(self._size)}: scale it first"
            )
        picture = av.VideoFrame(*self._padded, "yuv420p")
        for target, source in zip(picture.planes, frame.planes, strict=True):
            fill(view(target), source)
        picture.pts = self._next_pts(frame)
        picture.time_base = frame.time_base
        picture.duration = frame.duration
        return self.stream.encode(picture)

    def flush(self) -> list[Packet[VideoStream]]:
        """What the encoder still held; nothing may be encoded after it."""
        return self.stream.encode(None)

    def _next_pts(self, frame: Frame) -> int:
        pts = frame.pts
        if self._last_pts is not None and pts <= self._last_pts:
            self.moved += 1
            pts = self._last_pts + 1
        self._last_pts = pts
        return pts

    def _open(
        self,
        output: OutputContainer,
        color: ColorSpec,
        rate: Fraction | None,
        sar: Fraction,
        settings: EncodeSettings,
        container: Container,
    ) -> VideoStream:
        planned = min(rate or _USUAL_RATE, _MAX_RATE)
        encoder = self._chosen.encoder
        stream = output.add_stream(encoder.name, rate=planned, options=settings.options(encoder))
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.width, context.height = self._padded
        context.pix_fmt = "yuv420p"
        context.time_base = self._time_base
        stream.time_base = self._time_base
        context.flags |= Flags.frame_duration
        if not container.reorders:
            context.max_b_frames = 0
        if settings.codec == "hevc" and container.isobmff:
            # What Apple's players look for; FFmpeg's default tag is hev1.
            context.codec_tag = "hvc1"
        if sar > 0:
            context.sample_aspect_ratio = sar
        tag(context, color)
        try:
            # PyAV would open it with all others, and nobody could tell which of them refused.
            context.open()
        except av.FFmpegError as error:
            advice = self._advice(container)
            if encoder in CARD_ENCODERS.values():
                # It has just encoded a few such pictures, so the size is not at fault.
                advice = f"{encoder.name} fails now, set [output] encoder_device to cpu"
            raise SinkError(f"{settings.codec} can't encode {_x(self._size)}: {advice}") from error
        return stream

    def _advice(self, container: Container) -> str:
        small = max(self._size) <= _LARGE
        others = [codec for codec in (_TAKE_SMALL if small else _TAKE_LARGE) if codec in container.codecs]
        return f"use {' or '.join(others) or 'an .mkv file'}, or a {'larger' if small else 'smaller'} --scale"

    def _say(self, note: str) -> None:
        logger.info("%s", note)
        self.notes.append(note)


def _x(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
