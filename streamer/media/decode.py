"""From a container's packets to whole pictures, past whatever is corrupt."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from streamer.errors import SourceError, UnsupportedError
from streamer.media.clock import Clock
from streamer.media.damage import Reach
from streamer.media.deinterlace import Deinterlacer
from streamer.media.demux import describe, packets

logger = logging.getLogger(__name__)

# A demuxer that fails this often in a row, with no packet between, will not recover.
_FUTILE_READS = 32


@dataclass(slots=True)
class SourceCounters:
    """What a source mended or left out, so that nothing happens silently.

    `corrupt_packets`: refused by the demuxer or the decoder, or flagged by the demuxer, which alone loses nothing.
    `refused_packets`: those of them that were refused. `corrupt_frames`: decoded with errors concealed.
    `mended_timestamps`: frames given a time of ours. `resized_frames`: of another size or matrix
    than the first, made to fit. `deinterlaced_frames`: made of two fields.
    """

    corrupt_packets: int = 0
    refused_packets: int = 0
    corrupt_frames: int = 0
    mended_timestamps: int = 0
    resized_frames: int = 0
    deinterlaced_frames: int = 0


class VideoDecoder:
    """Pairs (picture, original) of one stream in presentation order: the picture progressive, the original as decoded,
    with its time and tags. `reach` has seen all packets before; `frames` counts the originals.

    Raises UnsupportedError where the stream is encrypted, SourceError where deinterlacing fails.
    """

    def __init__(self, container: InputContainer, video: VideoStream, counters: SourceCounters) -> None:
        self.reach = Reach(container, video)
        self.frames = 0
        self.clock = Clock(container)
        self._container = container
        self._video = video
        self._counters = counters

    def __iter__(self) -> Iterator[tuple[av.VideoFrame, av.VideoFrame]]:
        self.clock = Clock(self._container)
        deinterlacer = Deinterlacer()
        try:
            for packet in self._packets():
                for frame in self._decode(packet):
                    self.frames += 1
                    self._counters.corrupt_frames += frame.is_corrupt
                    self._counters.deinterlaced_frames += frame.interlaced_frame
                    yield from deinterlacer.feed(frame)
            yield from deinterlacer.flush()
        except av.FFmpegError as error:
            raise SourceError(
                f"the film's fields can't be joined ({describe(error)}): convert it to progressive video first"
            ) from error

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """The stream's packets; those of others are only looked at, to see how far the container goes."""
        futile = 0
        while futile < _FUTILE_READS:
            try:
                for packet in packets(self._container):
                    futile = 0
                    self.clock.mend(packet)
                    self.reach.note(packet)
                    # Not `stream_index`: the empty packets that flush decoders have none of their own.
                    if packet.stream.index == self._video.index:
                        yield self._checked(packet)
            except av.FFmpegError as error:
                futile += 1
                self._refused(error)
            else:
                return

    def _checked(self, packet: Packet[Stream]) -> Packet[VideoStream]:
        if packet.has_sidedata("encryption_info"):
            raise UnsupportedError("the film is encrypted: decrypt it first")
        self._counters.corrupt_packets += packet.is_corrupt
        return packet  # type: ignore[return-value]  # its index says that it is of the video stream

    def _decode(self, packet: Packet[VideoStream]) -> list[av.VideoFrame]:
        try:
            return packet.decode()
        except av.FFmpegError as error:
            self._refused(error)
            return []

    def _refused(self, error: av.FFmpegError) -> None:
        self._counters.corrupt_packets += 1
        self._counters.refused_packets += 1
        logger.debug("skipped a corrupt packet: %s", describe(error))
