"""A publisher's sound and pictures on one clock, by its RTCP sender reports (RFC 3550, section 6.4.1)."""

from __future__ import annotations

from dataclasses import dataclass, field

from web.aiortc_hooks import RTP_MODULUS
from web.sender import PICTURE_RATE, SOUND_RATE

JUMP_SECONDS = 5.0
"""Timestamps that part so far from arrivals, from one packet to the next, begin anew."""

SETTLED_SECONDS = 0.01
"""Sound stays where it is while reports agree with it so far: every move costs it a seam."""

_TRUST = 0.2
_ASTRAY_SECONDS = 0.1


@dataclass
class StreamClock:
    """RTP timestamps of one stream to seconds, which begin with the arrival of the first packet (monotonic)."""

    rate: int
    _last: int | None = None
    _last_arrived_at: float = 0.0
    _shift: float = 0.0
    _reported: tuple[float, int] | None = None
    _mean: float | None = None

    def seconds(self, rtp: int, arrived_at: float) -> float:
        ticks = self._unwrapped(rtp)
        if self._last is None or self._jumped(ticks, arrived_at):
            self._shift = arrived_at - ticks / self.rate
            self._reported = self._mean = None
        self._last, self._last_arrived_at = ticks, arrived_at
        return ticks / self.rate + self._shift

    def report(self, ntp: int, rtp: int) -> None:
        """`ntp`: 64-bit NTP time of the publisher at the moment of `rtp`."""
        if ntp and self._last is not None:
            self._reported = (ntp / RTP_MODULUS, self._unwrapped(rtp))

    def at_ntp(self, ntp_seconds: float) -> float | None:
        """Where a moment of the publisher's NTP clock lies; None before the first report."""
        if self._reported is None:
            return None
        reported_ntp, ticks = self._reported
        return ticks / self.rate + self._shift + (ntp_seconds - reported_ntp)

    def follow(self, other: StreamClock) -> None:
        """Moves onto the clock of `other`, once both have had a report."""
        if self._reported is None:
            return
        ntp_seconds, ticks = self._reported
        if (wanted := other.at_ntp(ntp_seconds)) is None:
            return
        shift = wanted - ticks / self.rate
        # Some publishers report when they sent rather than when they captured, which wanders: take the mean.
        if self._mean is None or abs(shift - self._mean) > _ASTRAY_SECONDS:
            self._mean = shift
        self._mean += _TRUST * (shift - self._mean)
        if abs(self._mean - self._shift) > SETTLED_SECONDS:
            self._shift = self._mean

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
    """Pictures keep their clock and sound follows it, so that pictures never jump when the first report comes."""

    pictures: StreamClock = field(default_factory=lambda: StreamClock(PICTURE_RATE))
    sound: StreamClock = field(default_factory=lambda: StreamClock(SOUND_RATE))

    def picture_report(self, ntp: int, rtp: int) -> None:
        self.pictures.report(ntp, rtp)
        self.sound.follow(self.pictures)

    def sound_report(self, ntp: int, rtp: int) -> None:
        self.sound.report(ntp, rtp)
        self.sound.follow(self.pictures)
