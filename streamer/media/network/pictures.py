"""The picture of one connection: packets to frames, with as little waiting as a decoder allows."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import av
from av.codec.context import Flags, ThreadType
from av.packet import Packet
from av.video.stream import VideoStream

from streamer.media.decoding import CardFault, Decoding
from streamer.media.deinterlace import Deinterlacer
from streamer.media.network.outlet import Outlet
from streamer.media.network.settings import NetworkSettings
from streamer.media.upright import PlaneMaker

_MOST_THREADS = 4
_HOPELESS = 50
"""Packets in a row, from a key frame on, of which none gives a picture."""


class Pictures:
    """Decodes packets and hands the frames over. `decoding`: where, as the container was opened. `capture`: from the
    source's seconds to monotonic ones."""

    def __init__(
        self,
        video: VideoStream,
        settings: NetworkSettings,
        outlet: Outlet,
        *,
        decoding: Decoding,
        capture: Callable[[float], float],
        on_picture: Callable[[], None],
    ) -> None:
        self._video = video
        self._outlet = outlet
        self._decoding = decoding
        self._capture = capture
        self._on_picture = on_picture
        self._deinterlacer = Deinterlacer()
        self._maker: PlaneMaker | None = None
        self._seconds = 0.0
        self._undecodable = 0
        self._is_skipping = False
        # Frame threads would hold back a frame each.
        context = video.codec_context
        context.thread_type = ThreadType.SLICE
        context.thread_count = settings.decoder_threads or min(_MOST_THREADS, os.cpu_count() or 1)
        context.flags = context.flags | Flags.low_delay

    def skip_to_key(self) -> None:
        """Decode nothing up to the next key frame that is near the present."""
        self._is_skipping = True

    def feed(self, packet: Packet[VideoStream], *, is_near: bool = True) -> None:
        """`is_near`: whether a key frame ends a skip. Raises UnsupportedError where frames would come out wrong, or the
        card that was asked for doesn't take them, and CardFault where another try had better do without the card."""
        if self._is_skipping and not (packet.is_keyframe and is_near):
            if packet.size:
                self._outlet.dropped("catching_up")
            return
        if self._is_skipping:
            self._is_skipping = False
            self._video.codec_context.flush_buffers()
        started = time.perf_counter()
        for decoded in self._decoded(packet):
            self._decoding.accepts(self._video.codec_context)
            for picture, original in self._deinterlacer.feed(decoded):
                self._hand_over(picture, original, started)
                started = time.perf_counter()

    def _decoded(self, packet: Packet[VideoStream]) -> list[av.VideoFrame]:
        try:
            pictures = packet.decode()
        except av.FFmpegError:
            self._outlet.dropped("undecodable")
            self._note_undecodable(packet)
            return []
        self._undecodable = 0
        return pictures

    def _note_undecodable(self, packet: Packet[VideoStream]) -> None:
        """A beginning that is lost is over at the first key frame: what then gives no picture counts."""
        if self._undecodable or packet.is_keyframe:
            self._undecodable += 1
        is_hopeless = self._undecodable >= _HOPELESS and self._decoding.tries_card
        if is_hopeless and not self._decoding.accepts(self._video.codec_context, has_come=False):
            raise CardFault(self._decoding.fault)

    def _hand_over(self, picture: av.VideoFrame, decoded: av.VideoFrame, started: float) -> None:
        if self._maker is None:
            self._maker = PlaneMaker(decoded)
        planes, color = self._maker.make(picture, decoded)
        if decoded.is_corrupt:
            self._outlet.mended("concealed")
        captured_at = self._capture(self._time_of(decoded))
        self._outlet.picture(planes, color, captured_at=captured_at, decode_seconds=time.perf_counter() - started)
        self._on_picture()

    def _time_of(self, decoded: av.VideoFrame) -> float:
        if decoded.pts is not None and decoded.time_base is not None:
            self._seconds = float(decoded.pts * decoded.time_base)
        return self._seconds
