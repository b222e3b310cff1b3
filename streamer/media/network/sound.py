"""The sound of one connection: Opus as it came, all else coded to Opus, at the time at which it was heard."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Protocol

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.packet import Packet

from streamer.live.ports import SoundPacket
from streamer.media.network.opus import samples_of
from streamer.media.network.outlet import Outlet

RATE = 48000
PACKET_SAMPLES = 960
_TIME_BASE = Fraction(1, RATE)
_GAP_SAMPLES = RATE * 15 // 1000


class Sound(Protocol):
    def feed(self, packet: Packet[AudioStream]) -> None: ...


def sound_of(audio: AudioStream, *, kbps: int, outlet: Outlet, capture: Callable[[float], float]) -> Sound:
    """Passes Opus on where browsers can take it as it is, else codes anew. `capture`: from the source's seconds to
    monotonic ones."""
    context = audio.codec_context
    if context.codec.canonical_name == "opus" and context.sample_rate == RATE and context.channels <= 2:
        return PassedSound(outlet, capture=capture)
    return CodedSound(outlet, kbps=kbps, capture=capture)


class PassedSound:
    """Opus, untouched."""

    def __init__(self, outlet: Outlet, *, capture: Callable[[float], float]) -> None:
        self._outlet = outlet
        self._capture = capture

    def feed(self, packet: Packet[AudioStream]) -> None:
        data = bytes(packet)
        samples = samples_of(data)
        if samples and packet.pts is not None:
            self._outlet.sound(SoundPacket(data, samples, self._capture(float(packet.pts * packet.time_base))))


class CodedSound:
    """Any codec, decoded and coded to Opus: 48 kHz, stereo, 20 ms a packet.

    A packet's time is that of the sound that a decoder gives for it, which the encoder's own delay has put back by
    `initial_padding` samples: FFmpeg takes that off its packets' times. Where the sound's times leave a gap or jump,
    the encoder begins anew, so that no packet holds both sides of it.
    """

    def __init__(self, outlet: Outlet, *, kbps: int, capture: Callable[[float], float]) -> None:
        self._outlet = outlet
        self._capture = capture
        self._kbps = kbps
        self._next = 0
        self._begin()

    def feed(self, packet: Packet[AudioStream]) -> None:
        try:
            frames = packet.decode()
        except av.FFmpegError:
            self._outlet.mended("sound_undecodable")
            return
        for frame in frames:
            self._hear(frame)

    def _begin(self) -> None:
        self._encoder = _encoder(self._kbps)
        self._resampler = av.AudioResampler(format="s16", layout="stereo", rate=RATE, frame_size=PACKET_SAMPLES)
        self._shape: tuple[str, str, int] | None = None

    def _hear(self, frame: av.AudioFrame) -> None:
        begin = self._next
        if frame.pts is not None and frame.time_base is not None:
            begin = round(frame.pts * frame.time_base * RATE)
        shape = frame.format.name, frame.layout.name, frame.sample_rate
        if self._shape is not None and (shape != self._shape or abs(begin - self._next) > _GAP_SAMPLES):
            self._begin()
        if self._shape is None:
            self._next = begin
        self._shape = shape
        # Counted on, not as stated: containers that round to milliseconds would make the sound tremble.
        begin = self._next + round((begin - self._next) / 16)
        self._next = begin + round(frame.samples * RATE / frame.sample_rate)
        frame.pts, frame.time_base = begin, _TIME_BASE
        for ready in self._resampler.resample(frame):
            for packet in self._encoder.encode(ready):
                self._send(packet)

    def _send(self, packet: Packet[AudioStream]) -> None:
        if packet.pts is not None:
            captured_at = self._capture(packet.pts / RATE)
            self._outlet.sound(SoundPacket(bytes(packet), PACKET_SAMPLES, captured_at))


def _encoder(kbps: int) -> AudioCodecContext:
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = RATE, "stereo", "s16"
    encoder.bit_rate, encoder.time_base = kbps * 1000, _TIME_BASE
    encoder.options = {"application": "audio", "frame_duration": "20", "vbr": "constrained"}
    return encoder
