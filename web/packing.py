"""H.264 into RTP payloads, RFC 6184, packetization mode 1; once for all viewers of a picture."""

from __future__ import annotations

import json
import struct
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from web.feeds import EncodedPicture

# Leaves room for headers of RTP, its extensions, SRTP, UDP, IPv6 and a tunnel within 1500 bytes.
PAYLOAD_BYTES = 1200

_STAP_A = 24
_FU_A = 28
_START = b"\x00\x00\x01"
_FU_START, _FU_END = 0x80, 0x40


def nal_units(data: bytes) -> Iterator[bytes]:
    """The NAL units of an access unit in Annex B."""
    start = data.find(_START)
    while start >= 0:
        start += len(_START)
        end = data.find(_START, start)
        # The zeros before a start code belong to it (ISO/IEC 14496-10, B.1.1).
        yield data[start:] if end < 0 else data[start:end].rstrip(b"\x00")
        start = end


def payloads(data: bytes) -> list[bytes]:
    """An access unit in Annex B as RTP payloads of `PAYLOAD_BYTES` at most; the last one takes the marker."""
    packed: list[bytes] = []
    together: list[bytes] = []
    for unit in nal_units(data):
        if 1 + sum(2 + len(each) for each in (*together, unit)) <= PAYLOAD_BYTES:
            together.append(unit)
            continue
        packed += _aggregated(together)
        together = []
        if len(unit) > PAYLOAD_BYTES:
            packed += _fragments(unit)
        else:
            together = [unit]
    return packed + _aggregated(together)


def _aggregated(units: list[bytes]) -> list[bytes]:
    """Section 5.7.1; one unit alone goes as it is (5.6)."""
    if len(units) < 2:
        return units
    importance = max(unit[0] & 0x60 for unit in units)
    return [bytes([importance | _STAP_A]) + b"".join(struct.pack("!H", len(unit)) + unit for unit in units)]


def _fragments(unit: bytes) -> list[bytes]:
    """Section 5.8, of nearly equal sizes."""
    room = PAYLOAD_BYTES - 2
    count = -(-(len(unit) - 1) // room)
    size = -(-(len(unit) - 1) // count)
    indicator, kind = unit[0] & 0xE0 | _FU_A, unit[0] & 0x1F
    parts = []
    for begin in range(1, len(unit), size):
        flags = (_FU_START if begin == 1 else 0) | (_FU_END if begin + size >= len(unit) else 0)
        parts.append(bytes([indicator, flags | kind]) + unit[begin : begin + size])
    return parts


@dataclass(frozen=True, slots=True)
class PackedPicture:
    """`facts`: the picture's facts as JSON."""

    picture: EncodedPicture
    payloads: list[bytes]
    facts: str


@dataclass
class Packer:
    """Packs each picture once, however many viewers take it. Remembers the newest `size` pictures of all streams."""

    size: int = 64
    _packed: OrderedDict[int, PackedPicture] = field(default_factory=OrderedDict)

    def pack(self, picture: EncodedPicture) -> PackedPicture:
        # The entry holds the picture, so nothing else can have its id while it is here.
        packed = self._packed.get(id(picture))
        if packed is None:
            packed = PackedPicture(picture, payloads(picture.data), _as_json(picture.facts))
            self._packed[id(picture)] = packed
            if len(self._packed) > self.size:
                self._packed.popitem(last=False)
        return packed


def _as_json(facts: Any) -> str:
    return json.dumps(facts, separators=(",", ":"))
