"""What an RTP payload of H.264 or HEVC, as FFmpeg unpacks it, holds of a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

_START = b"\0\0\1"
_HEADER_BYTES = 3
_H264_SLICES = frozenset({1, 2, 5})
_H264_IDR, _H264_SEI, _H264_SPS = 5, 6, 7
_H264_DELIMITERS = frozenset({6, 7, 8, 9})
_RECOVERY_POINT = 6
_MOST_SEI_BYTES = 256
_HEVC_LAST_SLICE, _HEVC_SPS = 31, 33
_HEVC_RANDOM_ACCESS = range(16, 24)
_HEVC_DELIMITERS = frozenset({32, 33, 34, 35, 39, *range(41, 45), *range(48, 56)})


@dataclass(frozen=True, slots=True)
class Nal:
    """One NAL unit, by its first bytes. `begins_picture`: where the picture before has slices already, a new one begins
    here. `is_key`: decoding can begin here."""

    type: int
    is_slice: bool
    begins_picture: bool
    is_key: bool


@dataclass(frozen=True, slots=True)
class Payload:
    """One packet: whole NAL units, the first part of one, or, where `continues`, a further part.

    `load`: roughly what it was in RTP, in bytes; equal for all that were filled up.
    """

    nals: tuple[Nal, ...]
    continues: bool
    load: int

    @property
    def begins_picture(self) -> bool:
        return any(nal.begins_picture for nal in self.nals)

    @property
    def has_slice(self) -> bool:
        return any(nal.is_slice for nal in self.nals)

    @property
    def has_first_slice(self) -> bool:
        """Whether a picture's first slice begins here."""
        return any(nal.is_slice and nal.begins_picture for nal in self.nals)


Reader = Callable[[bytes, int], Nal]


def payload(data: bytes, read: Reader) -> Payload:
    """`read`: `READERS` of its codec."""
    nals = tuple(read(data, at) for at in _begins(data))
    continues = not data.startswith((_START, b"\0" + _START))
    # FFmpeg puts start codes of 4 bytes where RTP has lengths of 2, nothing, or a fragment's header of 2 or 3.
    if continues:
        return Payload(nals, True, len(data) + 2)
    return Payload(nals, False, len(data) - 4 if len(nals) == 1 else len(data) - 2 * len(nals))


def _begins(data: bytes) -> Iterator[int]:
    """Where the NAL units behind start codes begin."""
    at = data.find(_START)
    while 0 <= at < len(data) - len(_START):
        yield at + len(_START)
        at = data.find(_START, at + len(_START))


def _h264(data: bytes, at: int) -> Nal:
    header, first = data[at : at + 2].ljust(2, b"\0")
    kind = header & 0x1F
    is_slice = kind in _H264_SLICES
    # The first bit alone says whether first_mb_in_slice is 0.
    begins = kind in _H264_DELIMITERS or (is_slice and bool(first & 0x80))
    is_key = kind in (_H264_IDR, _H264_SPS) or (kind == _H264_SEI and _has_recovery_point(data, at + 1))
    return Nal(kind, is_slice, begins, is_key)


def _has_recovery_point(data: bytes, at: int) -> bool:
    """Whether the SEI messages from `at` on (H.264, 7.3.2.3) say that decoding can begin at this picture."""
    sei = data[at : at + _MOST_SEI_BYTES].partition(_START)[0].replace(b"\0\0\3", b"\0\0")
    at = 0
    while at + 1 < len(sei):
        kind, at = _sei_number(sei, at)
        if kind == _RECOVERY_POINT:
            return True
        size, at = _sei_number(sei, at)
        at += size
    return False


def _sei_number(sei: bytes, at: int) -> tuple[int, int]:
    number = 0
    while at < len(sei):
        number += sei[at]
        at += 1
        if sei[at - 1] != 0xFF:
            break
    return number, at


def _hevc(data: bytes, at: int) -> Nal:
    header, layer, first = data[at : at + _HEADER_BYTES].ljust(_HEADER_BYTES, b"\0")
    kind = header >> 1 & 0x3F
    is_base = not (header & 1 or layer >> 3)
    is_slice = is_base and kind <= _HEVC_LAST_SLICE
    begins = is_base and (kind in _HEVC_DELIMITERS or (is_slice and bool(first & 0x80)))
    return Nal(kind, is_slice, begins, is_base and (kind in _HEVC_RANDOM_ACCESS or kind == _HEVC_SPS))


READERS: dict[str, Reader] = {"h264": _h264, "hevc": _hevc}
"""By FFmpeg's name of the codec."""
