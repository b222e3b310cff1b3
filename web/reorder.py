"""RTP packets into their order, and those of one picture together, at once when its last one is there."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiortc.rtp import RtpPacket

MAX_HELD = 512
MAX_PARTS = 4096
_RESTART = 3000  # RFC 3550, appendix A.1: a sequence number so far off is a new beginning


@dataclass(frozen=True, slots=True)
class Arrival:
    packet: RtpPacket
    payload: bytes
    arrived_at: float


@dataclass
class Reorder:
    """Waits `patience_seconds` at most for a packet that is missing."""

    patience_seconds: float
    late: int = 0
    _next: int | None = None
    _held: dict[int, Arrival] = field(default_factory=dict)
    _waiting_since: float | None = None

    def put(self, arrival: Arrival) -> list[tuple[Arrival, int]]:
        """The packets whose turn it is, each with the number of packets that were given up before it."""
        sequence = arrival.packet.sequence_number
        if self._next is None or _RESTART < self._ahead(sequence) < 65536 - _RESTART:
            self._next, self._held, self._waiting_since = sequence, {}, None
        if self._ahead(sequence) >= 32768:
            self.late += 1
            return []
        self._held[sequence] = arrival
        ready = self._in_turn(0)
        while self._held and self._impatient(arrival.arrived_at):
            ready += self._in_turn(self._skip())
        self._waiting_since = (self._waiting_since or arrival.arrived_at) if self._held else None
        return ready

    def _in_turn(self, lost: int) -> list[tuple[Arrival, int]]:
        assert self._next is not None
        ready = []
        while (arrival := self._held.pop(self._next, None)) is not None:
            ready.append((arrival, lost))
            self._next, lost, self._waiting_since = (self._next + 1) % 65536, 0, None
        return ready

    def _impatient(self, now: float) -> bool:
        waited = now - (now if self._waiting_since is None else self._waiting_since)
        return waited > self.patience_seconds or len(self._held) > MAX_HELD

    def _skip(self) -> int:
        assert self._next is not None
        nearest = min(self._held, key=self._ahead)
        lost, self._next = self._ahead(nearest), nearest
        return lost

    def _ahead(self, sequence: int) -> int:
        assert self._next is not None
        return (sequence - self._next) % 65536


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """`arrived_at`: when its last packet came. `broken`: something before it was lost."""

    data: bytes
    payload_type: int
    ssrc: int
    timestamp: int
    arrived_at: float
    broken: bool


@dataclass
class Assembler:
    """Packets in their order to pictures."""

    _parts: list[Arrival] = field(default_factory=list)
    _broken: bool = False
    _skipping: bool = False

    def put(self, arrival: Arrival, lost: int) -> list[CodedPicture]:
        done: list[CodedPicture] = []
        if lost:
            # Whether this packet begins a picture can't be told; the next marker or timestamp tells.
            self._parts, self._broken, self._skipping = [arrival], True, True
        elif self._parts and self._parts[0].packet.timestamp != arrival.packet.timestamp:
            done += self._finish()
            self._parts = [arrival]
        elif len(self._parts) < MAX_PARTS:
            self._parts.append(arrival)
        return done + (self._finish() if arrival.packet.marker else [])

    def _finish(self) -> list[CodedPicture]:
        parts, self._parts = self._parts, []
        skipping, self._skipping = self._skipping, False
        data = b"".join(part.payload for part in parts)
        if skipping or not data:
            return []
        last, broken = parts[-1], self._broken
        self._broken = False
        packet = last.packet
        return [CodedPicture(data, packet.payload_type, packet.ssrc, packet.timestamp, last.arrived_at, broken)]
