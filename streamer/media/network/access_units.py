"""RTP payloads joined to whole pictures (access units), each as soon as it is sure to be complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from streamer.media.network.endings import MOST_NALS, Endings
from streamer.media.network.failure import Failure
from streamer.media.network.nal_units import READERS, Payload, payload

# FFmpeg moves the time of a picture by a little where a sender's report comes between its packets.
_SAME_TIME_SECONDS = 0.01
_MOST_BYTES = 32 << 20


@dataclass(slots=True)
class Arrival:
    """A packet that came at the monotonic second `at`, after it had been waited for for `waited` seconds."""

    packet: Packet[Stream]
    at: float
    waited: float


class AccessUnits:
    """Joins the payloads of one stream of H.264 or HEVC.

    A picture is given when the next one begins, or before, where `Endings` is sure. Should more of it come then, that
    is left out, `on_cut` is called, and from then on each waits for the next. It arrived when its last packet did.
    """

    def __init__(self, video: VideoStream, *, on_cut: Callable[[], None]) -> None:
        self._video = video
        self._time_base = video.time_base or Fraction(1, 90000)
        self._read = READERS[video.codec_context.codec.canonical_name]
        self._on_cut = on_cut
        self._endings = Endings()
        self._unit = _Unit()

    def joined(self, arrivals: Iterator[Arrival]) -> Iterator[Arrival]:
        """Whole pictures in the place of payloads, and other streams' packets as they come. What is left at the end is
        given even where reading fails."""
        try:
            for arrival in arrivals:
                if arrival.packet.stream.index == self._video.index:
                    yield from self._feed(arrival)
                else:
                    yield arrival
        except Failure:
            yield from self._give()
            raise
        yield from self._give()

    def _feed(self, arrival: Arrival) -> Iterator[Arrival]:
        data = bytes(arrival.packet)
        part = payload(data, self._read)
        if self._begins(part, arrival.packet.pts):
            if self._unit.is_regular:
                self._endings.complete(self._unit.signature)
            yield from self._give()
            self._unit = _Unit()
        elif self._unit.is_given:
            self._cut()
            return
        self._endings.payload(part, is_first=not self._unit.parts)
        self._unit.add(arrival, data, part)
        if self._unit.is_regular and self._endings.ends(self._unit.signature):
            yield from self._give()

    def _begins(self, part: Payload, pts: int | None) -> bool:
        """Whether another picture begins here: by what it is or, as a picture's own beginning may be lost, by time."""
        unit = self._unit
        if unit.size > _MOST_BYTES:
            return True
        if not unit.has_slice or part.begins_picture or pts is None or unit.pts is None:
            return unit.has_slice and part.begins_picture
        return float(abs(pts - unit.pts) * self._time_base) > _SAME_TIME_SECONDS

    def _cut(self) -> None:
        if not self._unit.is_cut:
            self._unit.is_cut = True
            self._endings.give_up()
            self._on_cut()

    def _give(self) -> Iterator[Arrival]:
        unit = self._unit
        if unit.parts and not unit.is_given:
            unit.is_given = True
            packet: Packet[Stream] = Packet(b"".join(unit.parts))
            packet.stream, packet.time_base = self._video, self._time_base
            packet.pts = packet.dts = unit.pts
            packet.is_keyframe = unit.is_key
            yield Arrival(packet, unit.at, unit.waited)


@dataclass(slots=True)
class _Unit:
    """`pts`: of the first slice; parameter sets may still bear the time of the picture before. `is_regular`: its
    first slice is there."""

    parts: list[bytes] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    size: int = 0
    pts: int | None = None
    at: float = 0.0
    waited: float = 0.0
    has_slice: bool = False
    is_regular: bool = False
    is_key: bool = False
    is_given: bool = False
    is_cut: bool = False

    @property
    def signature(self) -> tuple[int, ...]:
        return tuple(self.types)

    def add(self, arrival: Arrival, data: bytes, part: Payload) -> None:
        if not self.has_slice:
            self.pts = arrival.packet.pts
            self.has_slice = part.has_slice
            self.is_regular = part.has_first_slice
        self.at = arrival.at
        self.waited += arrival.waited
        self.parts.append(data)
        self.size += len(data)
        self.types += [nal.type for nal in part.nals][: MOST_NALS - len(self.types)]
        self.is_key = self.is_key or any(nal.is_key for nal in part.nals)
