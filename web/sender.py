"""What a viewer is sent: access units and Opus packets as they are, with the clocks that RTP and its reports need."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.frame import Frame

from web.aiortc_hooks import RTP_MODULUS

PICTURE_RATE = 90000
SOUND_RATE = 48000

_NTP_EPOCH = 2208988800  # of 1970, in seconds since 1900


class FedTrack(MediaStreamTrack):
    """A track whose sender is fed from elsewhere (`aiortc_hooks.feed_sender`)."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    async def recv(self) -> Frame:
        raise MediaStreamError("this track is fed by its sender's hook")


@dataclass
class CaptureClock:
    """A viewer's media clock: `epoch` is when (monotonic seconds) its pts, of sound and pictures alike, were 0. One for
    both, so that their sender reports bring them exactly together."""

    epoch: float | None = None
    # Read once: a wall clock that is set meanwhile must not move sound against picture.
    _wall: float = field(default_factory=lambda: time.time() - time.monotonic())

    def see(self, captured_at: float, pts: int, rate: int) -> None:
        self.epoch = captured_at - pts / rate

    def ntp(self, at: float) -> int:
        """64-bit NTP time (RFC 5905, section 6) of a monotonic time."""
        return round((at + self._wall + _NTP_EPOCH) * RTP_MODULUS)


@dataclass
class RtpClock:
    """Where a sender's RTP timestamps stand against its pts. aiortc draws the offset at random, and keeps it to itself
    until the first packet leaves."""

    capture: CaptureClock
    rate: int
    _offset: int | None = None

    def departed(self, rtp: int, pts: int) -> None:
        self._offset = (rtp - pts) % RTP_MODULUS

    def report(self) -> tuple[int, int] | None:
        """NTP and RTP time of now, for a sender report (RFC 3550, section 6.4.1): what is captured now will have this
        RTP timestamp."""
        if self._offset is None or self.capture.epoch is None:
            return None
        now = time.monotonic()
        rtp = self._offset + round((now - self.capture.epoch) * self.rate)
        return self.capture.ntp(now), rtp % RTP_MODULUS
