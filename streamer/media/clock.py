"""A film's clock where it starts anew in mid-file, as when broadcasts are joined: one shift for all streams."""

from __future__ import annotations

from collections import deque
from fractions import Fraction

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

# A stream's own clock may stumble by less; Timeline and the copied tracks mend that.
_RESTART_SECONDS = Fraction(1)
# Formats whose clock may jump ahead, too, or have a bit flipped; a recording's pause stays.
_LEAPING = frozenset({"mpegts", "mpeg"})
_LEAP_SECONDS = Fraction(3600)
# Streams reach a restart one after the other, so that packets from before it still come: older ones don't.
_KEPT_SHIFTS = 8


class Clock:
    """Makes the packets of a container follow each other in time, by the same shift for sound and pictures.

    Fed with every packet of every stream in the file's order, two clocks on the same file agree. Where a stream falls
    back by more than a second, all go on from where the film had come to; which side of the restart a packet is from
    shows in what its time would be under each shift. `restarts` counts the shifts.
    """

    def __init__(self, container: InputContainer) -> None:
        self.restarts = 0
        self._leaps = bool(_LEAPING & set(container.format.name.split(",")))
        self._shifts = deque([Fraction(0)], _KEPT_SHIFTS)
        self._last: dict[int, Fraction] = {}
        self._end: Fraction | None = None

    def mend(self, packet: Packet[Stream]) -> None:
        """Move a packet's times to where they belong."""
        ticks = packet.pts if packet.dts is None else packet.dts
        if ticks is None:
            return
        time = ticks * packet.time_base
        # Text may rightly lie anywhere, and without a decoding time pictures come out of order: neither tells the time.
        is_telling = packet.dts is not None and packet.stream.type in ("audio", "video")
        shift = self._telling(packet.stream.index, time) if is_telling else self._nearest(list(self._shifts), time)
        if is_telling:
            self._note(packet, time + shift)
        if shift:
            _move(packet, round(shift / packet.time_base))

    def _telling(self, index: int, time: Fraction) -> Fraction:
        if fitting := [shift for shift in self._shifts if self._is_credible(index, time + shift)]:
            return self._nearest(fitting, time)
        self.restarts += 1
        self._shifts.append((self._end or 0) - time)
        return self._shifts[-1]

    def _is_credible(self, index: int, time: Fraction) -> bool:
        last = self._last.get(index)
        if last is not None and time < last - _RESTART_SECONDS:
            return False
        return not self._leaps or self._end is None or time <= self._end + _LEAP_SECONDS

    def _nearest(self, shifts: list[Fraction], time: Fraction) -> Fraction:
        """The shift under which a time lies nearest to where the film has come to."""
        end = self._end or 0
        return min(shifts, key=lambda shift: abs(time + shift - end))

    def _note(self, packet: Packet[Stream], time: Fraction) -> None:
        end = time + (packet.duration or 0) * packet.time_base
        self._last[packet.stream.index] = time
        self._end = end if self._end is None else max(self._end, end)


def _move(packet: Packet[Stream], ticks: int) -> None:
    if packet.dts is not None:
        packet.dts += ticks
    if packet.pts is not None:
        packet.pts += ticks
