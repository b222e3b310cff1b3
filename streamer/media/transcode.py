"""Sound and text made anew, one stream at a time, where a container doesn't take them as they are."""

from __future__ import annotations

from dataclasses import dataclass

from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from streamer.media.containers import Container


@dataclass(slots=True)
class AudioTrack:
    """Sound, decoded and encoded again."""

    source: AudioStream
    stream: AudioStream
    resampler: AudioResampler

    def put(self, packet: Packet[Stream]) -> list[Packet[Stream]]:
        raise NotImplementedError

    def flush(self) -> list[Packet[Stream]]:
        raise NotImplementedError


def transcoder_for(output: OutputContainer, stream: Stream, container: Container) -> AudioTrack | None:
    return None
