"""A publisher's sound and pictures on one clock: by arrival, then by its sender reports (RFC 3550, section 6.4.1)."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from statistics import fmean

from web.aiortc_hooks import RTP_MODULUS
from web.sender import PICTURE_RATE, SOUND_RATE

JUMP_SECONDS = 5.0
"""Timestamps that part so far from arrivals, from one packet to the next, begin anew."""

AGREEING = 4
"""So many reports in a row have to agree before sound follows them."""

_AGREE_SECONDS = 0.03
# Sound stays where it is while it is wrong by less: every move costs it a seam.
_SETTLED_SECONDS = 0.01
_ASTRAY_SECONDS = 0.03
# What is quickest now may be slower than what was quickest once, in seconds a second.
_RISE = 0.001


@dataclass
class StreamClock:
    """RTP timestamps of one stream to seconds, which begin with the arrival of the first packet (monotonic).

    `shift`: what seconds are ahead of timestamps. `least`: the same by the arrival of the quickest packets.
    `begins`, `reports`: how often the clock began, and how many reports came since.
    """

    rate: int
    shift: float = 0.0
    least: float = math.inf
    begins: int = 0
    reports: int = 0
    _last: int | None = None
    _last_arrived_at: float = 0.0
    _reported: tuple[float, int] | None = None

    def seconds(self, rtp: int, arrived_at: float) -> float:
        ticks = self._unwrapped(rtp)
        late = arrived_at - ticks / self.rate
        if self._last is None or self._jumped(ticks, arrived_at):
            self.shift, self.least, self._last_arrived_at = late, late, arrived_at
            self.begins, self.reports, self._reported = self.begins + 1, 0, None
        self.least = min(late, self.least + _RISE * max(0.0, arrived_at - self._last_arrived_at))
        self._last, self._last_arrived_at = ticks, arrived_at
        return ticks / self.rate + self.shift

    def report(self, ntp: int, rtp: int) -> None:
        """`ntp`: 64-bit NTP time of the publisher at the moment of `rtp`."""
        if ntp and self._last is not None:
            self._reported = (ntp / RTP_MODULUS, self._unwrapped(rtp))
            self.reports += 1

    def shift_beside(self, other: StreamClock) -> float | None:
        """The shift with which both have the publisher's NTP clock in common; None before both had a report."""
        if self._reported is None or other._reported is None:
            return None
        (ntp, ticks), (other_ntp, other_ticks) = self._reported, other._reported
        return other_ticks / other.rate + other.shift + (ntp - other_ntp) - ticks / self.rate

    def _unwrapped(self, rtp: int) -> int:
        if self._last is None:
            return rtp
        ahead = (rtp - self._last + RTP_MODULUS // 2) % RTP_MODULUS - RTP_MODULUS // 2
        return self._last + ahead

    def _jumped(self, ticks: int, arrived_at: float) -> bool:
        assert self._last is not None
        return abs((ticks - self._last) / self.rate - (arrived_at - self._last_arrived_at)) > JUMP_SECONDS


@dataclass
class PublisherClock:
    """Pictures keep their clock and sound follows it, so that pictures never jump.

    At first the quickest packets of both are taken for equally quick. Reports are better, once they agree: some
    publishers report when they sent rather than when they captured, which wanders by most of a second as they begin.
    """

    pictures: StreamClock = field(default_factory=lambda: StreamClock(PICTURE_RATE))
    sound: StreamClock = field(default_factory=lambda: StreamClock(SOUND_RATE))
    _shifts: deque[float] = field(default_factory=lambda: deque(maxlen=AGREEING))
    _agreed: tuple[int, int] | None = None

    def picture_seconds(self, rtp: int, arrived_at: float) -> float:
        return self.pictures.seconds(rtp, arrived_at)

    def sound_seconds(self, rtp: int, arrived_at: float) -> float:
        seconds = self.sound.seconds(rtp, arrived_at)
        if self._agreed == self._begins or not self.pictures.begins:
            return seconds
        before = self.sound.shift
        self._move(self.sound.least + self.pictures.shift - self.pictures.least, _ASTRAY_SECONDS)
        return seconds + self.sound.shift - before

    def picture_report(self, ntp: int, rtp: int) -> None:
        self.pictures.report(ntp, rtp)
        self._reported()

    def sound_report(self, ntp: int, rtp: int) -> None:
        self.sound.report(ntp, rtp)
        self._reported()

    @property
    def _begins(self) -> tuple[int, int]:
        return self.pictures.begins, self.sound.begins

    def _reported(self) -> None:
        shift = self.sound.shift_beside(self.pictures)
        if shift is None:
            self._shifts.clear()
            return
        self._shifts.append(shift)
        enough = len(self._shifts) == AGREEING and min(self.pictures.reports, self.sound.reports) >= 2
        if enough and max(self._shifts) - min(self._shifts) <= _AGREE_SECONDS:
            self._agreed = self._begins
            self._move(fmean(self._shifts), _SETTLED_SECONDS)

    def _move(self, shift: float, least: float) -> None:
        if abs(shift - self.sound.shift) > least:
            self.sound.shift = shift
