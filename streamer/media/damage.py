"""Whether a file ends before its time: what its container promises against what is there.

Each check looks at what cannot be right by the format's own rules, so that no whole file is called damaged; a file cut
exactly between two frames, in a format that promises nothing, is not told from a whole one.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

# Formats whose headers state a length; of others FFmpeg estimates it, from the file itself or the bit rate.
_STATES_LENGTH = frozenset({"mov", "mp4", "matroska", "webm", "avi", "flv", "asf"})
_TS_PACKETS = (188, 192, 204)  # plain, with time codes (m2ts), with error correction
_SLACK_FRAMES = 2  # edit lists drop some on purpose
_SLACK_SECONDS = Fraction(1)
_SLACK_SHARE = Fraction(1, 20)


class Reach:
    """How far the packets of a container went; `packets` counts those of the film."""

    def __init__(self, container: InputContainer, video: VideoStream) -> None:
        self._video = video.index
        self._states_length = bool(_STATES_LENGTH & set(container.format.name.split(",")))
        self._promised_frames = video.frames if self._states_length else 0
        duration = Fraction(container.duration or 0, av.time_base)
        # Matroska counts its duration from zero, whenever the first frame comes.
        self._promised_end = duration + Fraction(min(0, container.start_time or 0), av.time_base)
        self._duration = duration
        self.packets = 0
        self._end = Fraction(0)

    def note(self, packet: Packet[Stream]) -> None:
        """Take a packet of any stream into account."""
        self.packets += packet.stream_index == self._video and packet.size > 0
        time = packet.pts if packet.pts is not None else packet.dts
        if time is not None:
            self._end = max(self._end, (time + (packet.duration or 0)) * packet.time_base)

    def shortfall(self) -> str | None:
        """What the container promised and did not have, in words."""
        lost = self._promised_frames - self.packets
        if lost > max(_SLACK_FRAMES, round(self._promised_frames * _SLACK_SHARE)):
            return f"it ends after {self.packets} of {self._promised_frames} frames"
        missing = self._promised_end - self._end
        if self._states_length and missing > max(_SLACK_SECONDS, self._duration * _SLACK_SHARE):
            return f"it ends {float(missing):.1f} s before its stated end"
        return None


def is_cut(path: Path, container_format: str) -> bool:
    """Whether the file is shorter than its own structure says."""
    names = set(container_format.split(","))
    size = path.stat().st_size
    with path.open("rb") as file:
        if "mov" in names:
            return _boxes_end(file, size) > size
        if "matroska" in names:
            return _segment_end(file) > size
        if "avi" in names:
            file.seek(4)
            return int.from_bytes(file.read(4), "little") + 8 > size
    return "mpegts" in names and all(size % packet for packet in _TS_PACKETS)


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Where the last top-level box ends that begins inside the file (ISO/IEC 14496-12, 4.2)."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:  # 0: to the end of the file; anything else is no box
            return size
        position += length
    return position


def _segment_end(file: BinaryIO) -> int:
    """Where the Matroska segment ends, 0 where a live recording left that open (RFC 8794, 4 and 6)."""
    file.seek(4)
    header = _vint(file)
    file.seek((header or 0) + 4, 1)  # the EBML header's body, then the segment's id
    length = _vint(file)
    return 0 if header is None or length is None else file.tell() + length


def _vint(file: BinaryIO) -> int | None:
    """A variable-size integer; None for "unknown"."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    width = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(width - 1), "big") & ((1 << (7 * width)) - 1)
    return None if value == (1 << (7 * width)) - 1 else value
