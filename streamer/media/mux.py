"""Everything of the source but its pictures: sound, text, data, attachments, chapters and tags, copied as they are."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from streamer.errors import SinkError
from streamer.media.clock import Clock
from streamer.media.containers import Container, codec_of, has_decoder, takes
from streamer.media.demux import describe, open_input, packets
from streamer.media.encoders import OnUnsupported
from streamer.media.info import SourceInfo
from streamer.media.transcode import transcoder_for

logger = logging.getLogger(__name__)

# What a demuxer says of the file that it read, not of the film: the muxer writes its own.
_FILE_TAGS = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "rotate"})
COMMENT = "comment"
_STATISTICS = ("_statistics_", "bps", "number_of_", "duration")
# A damaged place makes the demuxer stumble; so many times in a row mean that there is no more.
_MAX_STUMBLES = 20
# Formats that may declare a stream in mid-film.
_GROWING = frozenset({"mpegts", "mpeg", "flv"})


class Track(Protocol):
    """What becomes of one stream of the source: its packets, copied or made anew. `lost`: packets that could not be."""

    lost: int

    def put(self, packet: Packet[Stream]) -> list[Packet[Stream]]:
        """Take a packet of the source; return those to write."""
        ...

    def flush(self) -> list[Packet[Stream]]:
        """What was held back."""
        ...


@dataclass(slots=True)
class CopiedTrack:
    """Packets go over byte for byte."""

    stream: Stream
    lost: int = 0
    _last_dts: int | None = None
    _next_dts: int = 0

    def put(self, packet: Packet[Stream]) -> list[Packet[Stream]]:
        if packet.dts is None:
            packet.dts = self._next_dts if packet.pts is None else packet.pts
        if packet.pts is None:
            packet.pts = packet.dts
        if self._last_dts is not None and packet.dts < self._last_dts:
            self.lost += 1
            return []
        self._last_dts = packet.dts
        self._next_dts = packet.dts + (packet.duration or 0)
        packet.stream = self.stream
        return [packet]

    def flush(self) -> list[Packet[Stream]]:
        return []


class StreamCopier:
    """Carries over all streams but the pictures, in step with them, from a demuxer of its own on the input.

    Packets are written up to the time that the pictures have reached, so that what waits in memory doesn't grow with
    the film. Use: `add` every stream in order, `tags`, then `advance` as pictures are written, `finish`, `close`.
    """

    def __init__(
        self, info: SourceInfo, output: OutputContainer, *, container: Container, unsupported: OnUnsupported
    ) -> None:
        """`output`: a file of the kind `container`. Raises SourceError where the input can't be read again."""
        self.notes: list[str] = []
        self.corrupt = 0
        self._info = info
        self._output = output
        self._container = container
        self._unsupported = unsupported
        self._tracks: dict[int, Track] = {}
        self._input: InputContainer = open_input(info.path)
        self._clock = Clock(self._input)
        self._may_grow = bool(_GROWING & set(self._input.format.name.split(",")))
        self._packets = self._demux()
        self._next: Packet[Stream] | None = None
        self._has_begun = False

    @property
    def streams(self) -> list[Stream]:
        """The source's streams, the pictures among them."""
        return list(self._input.streams)

    def add(self, stream: Stream) -> None:
        """Give one stream of the source its place in the output. Raises SinkError where it has none and the settings
        say that this is an error."""
        if _is_redundant(stream, self._info):
            return
        if stream.type == "video" and not (_is_cover(stream) and self._container.covers):
            self._say(f"{_name(stream)} left out: only one picture track is written")
        elif takes(self._container, stream):
            self._copy(stream)
        else:
            self._replace(stream)

    def tags(self, pictures: Stream, *, disclosure: str = "") -> None:
        """Write the film's tags and chapters, and the tags of the picture track. Before the first packet.

        `disclosure`: what was done to the film, to stand below whatever comment it has."""
        self._output.metadata.update(disclosed(_kept(self._info.metadata), disclosure))
        if disclosure and not self._container.tags:
            self._say(f"{self._container.muxer} has no place to say that the film was enhanced")
        source = self._input.streams[self._info.video_index]
        pictures.metadata.update(_kept(source.metadata))
        pictures.disposition = source.disposition
        chapters = self._input.chapters()
        if chapters and self._container.chapters:
            self._output.set_chapters(chapters)
        elif chapters:
            self._say(f"{len(chapters)} chapters left out: {self._container.muxer} has no place for them")

    def advance(self, until: Fraction | None) -> None:
        """Write what comes before `until` seconds; None: all that is left."""
        while (packet := self._peek()) is not None:
            if until is not None and _seconds(packet) > until:
                return
            self._next = None
            track = self._tracks[packet.stream.index]
            self._write(track, track.put(packet))

    def finish(self) -> None:
        """Write the rest, and note what was lost on the way."""
        self.advance(None)
        for track in self._tracks.values():
            self._write(track, track.flush())
        if restarts := self._clock.restarts:
            self._say(f"restarts of the film's clock mended: {restarts}; sound and pictures go on together")
        if lost := self.corrupt + sum(track.lost for track in self._tracks.values()):
            self._say(f"{lost} packets of sound or text skipped: they are damaged, or their times went back")

    def close(self) -> None:
        """Let the input go; may be called twice."""
        self._input.close()

    def _copy(self, stream: Stream) -> None:
        track = CopiedTrack(self._output.add_stream_from_template(stream, opaque=True))
        track.stream.metadata.update(_kept(stream.metadata))
        track.stream.disposition = stream.disposition
        self._follow(stream, track)

    def _replace(self, stream: Stream) -> None:
        what = f"{_name(stream)} doesn't go into {self._container.muxer}"
        if _is_unknown(stream):
            what = f"{_name(stream)} begins so late that the file doesn't say how to copy it"
        if self._unsupported == "error":
            raise SinkError(f"{what}: choose another container, or unsupported = reencode or warn")
        made = transcoder_for(self._output, stream, self._container) if self._unsupported == "reencode" else None
        if made is None:
            self._say(f"{what}: left out")
            return
        made.stream.metadata.update(_kept(stream.metadata))
        made.stream.disposition = stream.disposition
        self._follow(stream, made)
        self._say(f"{what}: re-encoded as {codec_of(made.stream)}")

    def _follow(self, stream: Stream, track: Track) -> None:
        self._tracks[stream.index] = track

    def _write(self, track: Track, packets: list[Packet[Stream]]) -> None:
        for packet in packets:
            if not self._has_begun:
                self._has_begun = True
                self._note_shift(packet)
            try:
                self._output.mux_one(packet)
            except (av.InvalidDataError, av.ArgumentError) as error:
                # A packet that the muxer can't parse or place is no reason to lose the film; a full disk raises others.
                logger.debug("a packet of stream %d is refused: %s", packet.stream_index, error)
                track.lost += 1

    def _note_shift(self, first: Packet[Stream]) -> None:
        """Say by how much the muxer will move everything, sound and pictures alike."""
        if (early := -_seconds(first)) > 0 and not self._container.below_zero:
            self._say(f"everything comes {float(early):.3f} s later: {self._container.muxer} has no times below 0")

    def _peek(self) -> Packet[Stream] | None:
        if self._next is None:
            self._next = next(self._packets, None)
        return self._next

    def _demux(self) -> Iterator[Packet[Stream]]:
        """The packets of the streams that are followed, whole ones only, past damaged places."""
        stumbles = 0
        while stumbles < _MAX_STUMBLES and (self._tracks or self._may_grow):
            try:
                # All streams, also those left out: the clock must see what the pictures' clock sees.
                for packet in packets(self._input, on_late=self._note_late):
                    stumbles = 0
                    self._clock.mend(packet)
                    if packet.size and self._is_whole(packet):
                        yield packet
            except av.FFmpegError as error:
                stumbles += 1
                if stumbles == _MAX_STUMBLES:
                    self._say(f"sound and text end early: the input is damaged ({describe(error)})")
            else:
                return

    def _is_whole(self, packet: Packet[Stream]) -> bool:
        if packet.stream.index not in self._tracks:
            return False
        self.corrupt += packet.is_corrupt
        return not packet.is_corrupt

    def _note_late(self) -> None:
        self._say("a stream of the source is left out: the file declares it in mid-film only")

    def _say(self, note: str) -> None:
        logger.info("%s", note)
        self.notes.append(note)


def disclosed(tags: Mapping[str, str], disclosure: str) -> dict[str, str]:
    """The tags, with `disclosure` in the comment below what stands there: the tag that all our containers keep."""
    key = next((key for key in tags if key.lower() == COMMENT), COMMENT)
    lines = [line for line in (tags.get(key, ""), disclosure) if line]
    return {**tags, key: "\n".join(lines)} if lines else dict(tags)


def _kept(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if not _is_about_file(key.lower())}


def _is_about_file(key: str) -> bool:
    return key in _FILE_TAGS or key.startswith(_STATISTICS)


def _is_cover(stream: Stream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _is_redundant(stream: Stream, info: SourceInfo) -> bool:
    """The pictures themselves, and what an MP4 keeps as tracks that the muxer makes again from chapters and tags."""
    if stream.index == info.video_index:
        return True
    is_chapters = codec_of(stream) == "bin_data" and bool(info.chapters)
    return stream.type == "data" and (is_chapters or "timecode" in stream.metadata)


def _is_unknown(stream: Stream) -> bool:
    """Whether this is sound that FFmpeg found no packet of when it opened the file."""
    return isinstance(stream, AudioStream) and has_decoder(stream) and not stream.codec_context.sample_rate


def _name(stream: Stream) -> str:
    return f"{stream.type} stream {stream.index} ({codec_of(stream)})"


def _seconds(packet: Packet[Stream]) -> Fraction:
    """When a packet is due; at once where it doesn't say."""
    ticks = packet.dts if packet.dts is not None else packet.pts
    return Fraction(0) if ticks is None else ticks * packet.time_base
