"""Sound and text made anew, one stream at a time, where a container doesn't take them as they are."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream

from streamer.media.containers import Container, codec_of, has_decoder

logger = logging.getLogger(__name__)

_BITS_PER_CHANNEL = 96_000
# Opus knows these rates alone; resampling once to its highest loses least.
_OPUS_RATE = 48_000
_WRITTEN = frozenset({"subrip", "ass", "ssa", "mov_text", "webvtt", "text"})


@dataclass(slots=True)
class AudioTrack:
    """Sound, decoded and encoded again; its times stay."""

    source: AudioStream
    stream: AudioStream
    lost: int = 0

    def put(self, packet: Packet[Stream]) -> list[Packet[Stream]]:
        try:
            frames = self.source.decode(packet)
        except av.FFmpegError:
            self.lost += 1
            return []
        return self._encode(frames)

    def flush(self) -> list[Packet[Stream]]:
        return [*self._encode(self.source.decode(None)), *self.stream.encode(None)]

    def _encode(self, frames: list[AudioFrame]) -> list[Packet[Stream]]:
        return [packet for frame in frames for packet in self.stream.encode(frame)]


@dataclass(slots=True)
class TextTrack:
    """Written subtitles in another notation; their times stay."""

    source: SubtitleStream
    stream: SubtitleStream
    lost: int = 0

    def put(self, packet: Packet[Stream]) -> list[Packet[Stream]]:
        try:
            text = self.source.codec_context.decode2(packet)
            if text is None or not len(text):
                return []
            made = self.stream.codec_context.encode_subtitle(text)
        except av.FFmpegError:
            self.lost += 1
            return []
        made.stream = self.stream
        made.time_base = packet.time_base
        made.pts, made.dts, made.duration = packet.pts, packet.pts, packet.duration
        return [made]

    def flush(self) -> list[Packet[Stream]]:
        return []


def transcoder_for(output: OutputContainer, stream: Stream, container: Container) -> AudioTrack | TextTrack | None:
    """A track in `output` that the container takes, made out of `stream`; None where nothing can be made of it."""
    if not has_decoder(stream):
        return None
    if isinstance(stream, AudioStream):
        return _audio_track(output, stream, container.audio)
    if isinstance(stream, SubtitleStream) and codec_of(stream) in _WRITTEN and container.text is not None:
        return _text_track(output, stream, container.text)
    return None


def _audio_track(output: OutputContainer, source: AudioStream, encoder: str) -> AudioTrack | None:
    # 0 where the sound begins so late that nobody knows yet.
    rate = _OPUS_RATE if encoder == "libopus" else source.codec_context.sample_rate or _OPUS_RATE
    for layout in (source.codec_context.layout.name, "stereo"):
        if _can_encode(encoder, rate, layout):
            made = output.add_stream(encoder, rate=rate)
            assert isinstance(made, AudioStream)
            made.codec_context.layout = layout
            made.codec_context.bit_rate = _BITS_PER_CHANNEL * made.codec_context.layout.nb_channels
            return AudioTrack(source, made)
    return None


def _can_encode(encoder: str, rate: int, layout: str) -> bool:
    """Whether an encoder opens with these; a stream once added to a file could not be taken back."""
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate = rate
    try:
        if formats := context.codec.audio_formats:
            context.format = formats[0]
        context.layout = layout
        context.open()
    except (ValueError, av.FFmpegError) as error:
        logger.debug("%s does not take %d Hz %s: %s", encoder, rate, layout, error)
        return False
    return True


def _text_track(output: OutputContainer, source: SubtitleStream, encoder: str) -> TextTrack:
    # The header, which holds the styles that lines refer to, is there once the decoder is open.
    source.codec_context.open(strict=False)
    made = output.add_stream(encoder)
    assert isinstance(made, SubtitleStream)
    made.codec_context.subtitle_header = source.codec_context.subtitle_header
    made.time_base = source.time_base
    return TextTrack(source, made)
