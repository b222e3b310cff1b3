"""The sound of a film that is recorded live: Opus packets as they come, or anew as AAC where a container wants that."""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import Protocol, cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from streamer.live.ports import SoundPacket
from streamer.media.containers import Container

logger = logging.getLogger(__name__)

RATE = 48_000
_TICK = Fraction(1, RATE)
# Packets follow each other without a gap as long as the clock agrees within this: half a frame of a film.
_TOLERANCE = RATE // 50
_AAC_BITS = 160_000
_OPUS_CONTAINERS = frozenset({"matroska", "webm", "mp4"})

Samples = npt.NDArray[np.float32]


class SoundTrack(Protocol):
    """Sound in an output container. Times are in 1/48000 s of the film."""

    stream: AudioStream
    lost: int

    def put(self, packet: SoundPacket, pts: int) -> list[Packet[AudioStream]]:
        """Take a packet; return those to write."""
        ...

    def flush(self) -> list[Packet[AudioStream]]: ...


def sound_track(output: OutputContainer, container: Container) -> SoundTrack:
    """The track that suits the container, added to `output`; before the first packet of any track."""
    return OpusTrack(output) if container.muxer in _OPUS_CONTAINERS else AacTrack(output)


class SoundTimes:
    """Gives packets their places in the film, end to end, and anew where the source's clock jumped.

    `origin`: monotonic seconds of the film's beginning.
    """

    def __init__(self, origin: float) -> None:
        self._origin = origin
        self._next: int | None = None

    def place(self, packet: SoundPacket) -> int | None:
        """The packet's time; None where it lies before the film, or over what is there already."""
        stated = round((packet.captured_at - self._origin) * RATE)
        if self._next is not None and abs(stated - self._next) <= _TOLERANCE:
            stated = self._next
        if stated < (self._next or 0):
            return None
        self._next = stated + packet.samples
        return stated


class OpusTrack:
    """Packets go over byte for byte. The stream's own encoder is never fed: it only writes the header."""

    def __init__(self, output: OutputContainer) -> None:
        self.lost = 0
        self.stream = _stereo(output, "libopus")

    def put(self, packet: SoundPacket, pts: int) -> list[Packet[AudioStream]]:
        made = cast("Packet[AudioStream]", Packet(packet.data))
        made.stream = self.stream
        made.pts = made.dts = pts
        made.duration, made.time_base = packet.samples, _TICK
        return [made]

    def flush(self) -> list[Packet[AudioStream]]:
        return []


class AacTrack:
    """Packets are decoded and encoded again, every sample at its time; a gap ends a block with silence."""

    def __init__(self, output: OutputContainer) -> None:
        self.lost = 0
        self.stream = _stereo(output, "aac")
        self.stream.codec_context.bit_rate = _AAC_BITS
        decoder = av.CodecContext.create("libopus", "r")
        assert isinstance(decoder, AudioCodecContext)
        decoder.sample_rate, decoder.layout = RATE, "stereo"
        self._decoder = decoder
        self._held: Samples = np.zeros((2, 0), np.float32)
        self._begin = 0

    def put(self, packet: SoundPacket, pts: int) -> list[Packet[AudioStream]]:
        made: list[Packet[AudioStream]] = []
        if pts != self._begin + self._held.shape[1]:
            made += self._end_block()
            self._begin = pts
        try:
            decoded = self._decoder.decode(Packet(packet.data))
        except av.FFmpegError as error:
            logger.debug("a packet of sound can't be decoded: %s", error)
            self.lost += 1
            return made
        self._held = np.concatenate([self._held, *map(_floats, decoded)], axis=1)
        return made + self._take_blocks()

    def flush(self) -> list[Packet[AudioStream]]:
        return [*self._end_block(), *self.stream.encode(None)]

    def _end_block(self) -> list[Packet[AudioStream]]:
        size = self._block
        rest = -self._held.shape[1] % size
        self._held = np.pad(self._held, ((0, 0), (0, rest)))
        return self._take_blocks()

    def _take_blocks(self) -> list[Packet[AudioStream]]:
        made: list[Packet[AudioStream]] = []
        while self._held.shape[1] >= self._block:
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(self._held[:, : self._block]), format="fltp", layout="stereo"
            )
            frame.sample_rate, frame.pts, frame.time_base = RATE, self._begin, _TICK
            made += self.stream.encode(frame)
            self._held = self._held[:, self._block :]
            self._begin += self._block
        return made

    @property
    def _block(self) -> int:
        return self.stream.codec_context.frame_size or 1024


def _stereo(output: OutputContainer, encoder: str) -> AudioStream:
    stream = output.add_stream(encoder, rate=RATE)
    assert isinstance(stream, AudioStream)
    stream.codec_context.layout = "stereo"
    stream.codec_context.time_base = stream.time_base = _TICK
    return stream


def _floats(frame: av.AudioFrame) -> Samples:
    """The (2, n) samples of a decoded frame, as libopus gives them: 16 bits, the channels in turn."""
    return (frame.to_ndarray().reshape(-1, 2).T / np.float32(32768)).astype(np.float32)
