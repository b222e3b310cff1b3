"""Sound in step with pictures: each packet leaves a little before the picture of its moment does."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable

from streamer.live.ports import SoundPacket
from web.feeds import EncodedSound

SOUND_RATE = 48_000
"""Ticks a second of Opus in RTP (RFC 7587, section 4.1)."""

LEAD_SECONDS = 0.04
"""Sound leaves so much earlier than its picture: a browser takes that much longer to play sound than to show pictures,
and would hold these back for the rest."""

_WINDOW = 15
# One in so many, at either end, is not to be followed.
_OUTLIERS = 7
# How fast the delay may change, in seconds a second: Opus packets of 20 ms then come 15 to 25 ms apart.
_SLEW = 0.25
_MOST_DELAY_SECONDS = 2.0
# Sound that is so much ahead of where its packets have come to follows a gap: a whole packet is missing.
_GAP_TICKS = 15 * SOUND_RATE // 1000
_BEHIND_TICKS = 20 * SOUND_RATE // 1000
_MOST_PACKETS = 256


class Delay:
    """From capture to leaving, as pictures have it now: the middle of what the last few had, followed smoothly.

    The middle between quick and slow ones makes the worst error least: half of their spread, so that 80 ms between
    them stay within 40. The two slowest and quickest of the last fifteen don't count: they would pull all sound along.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._followed_at = 0.0
        self.seconds = 0.0
        """0 until the first picture; when pictures stop it stays."""

    def add(self, seconds: float, now: float) -> None:
        """A picture left at `now` (monotonic seconds), so long after its capture."""
        first = not self._recent
        self._recent.append(seconds)
        goal = min(max(_middle(self._recent), 0.0), _MOST_DELAY_SECONDS)
        step = _SLEW * max(0.0, now - self._followed_at)
        self.seconds = goal if first else min(max(goal, self.seconds - step), self.seconds + step)
        self._followed_at = now


def _middle(values: Iterable[float]) -> float:
    ordered = sorted(values)
    left_out = len(ordered) // _OUTLIERS
    return (ordered[left_out] + ordered[-1 - left_out]) / 2


class SoundClock:
    """Gives packets their pts: each where the last one ended, and from the capture time again after a gap.

    `epoch`: the moment of pts 0, in monotonic seconds.
    """

    def __init__(self, epoch: float) -> None:
        self._epoch = epoch
        self._next: int | None = None

    def place(self, packet: SoundPacket) -> int | None:
        """Always rising; None for a packet that must be left out, where sound has run ahead of its capture times."""
        pts = round((packet.captured_at - self._epoch) * SOUND_RATE)
        if self._next is not None:
            ahead = self._next - pts
            if ahead >= max(_BEHIND_TICKS, packet.samples):
                return None
            if ahead >= -_GAP_TICKS:
                pts = self._next
        self._next = pts + packet.samples
        return pts


class Soundtrack:
    """Holds packets back by `delay`, less `LEAD_SECONDS`, and hands them to `emit`; all on the event loop `loop`."""

    def __init__(
        self, clock: SoundClock, delay: Delay, loop: asyncio.AbstractEventLoop, emit: Callable[[EncodedSound], None]
    ) -> None:
        self._clock, self._delay, self._loop, self._emit = clock, delay, loop, emit
        self._held: deque[EncodedSound] = deque(maxlen=_MOST_PACKETS)
        self._timer: asyncio.TimerHandle | None = None

    def put(self, packet: SoundPacket) -> None:
        pts = self._clock.place(packet)
        if pts is None:
            return
        self._held.append(EncodedSound(packet.data, pts, packet.captured_at))
        if self._timer is None:
            self._release()

    def clear(self) -> None:
        """Drop what is held."""
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _release(self) -> None:
        self._timer = None
        while self._held:
            wait = self._held[0].captured_at + self._delay.seconds - LEAD_SECONDS - time.monotonic()
            if wait > 0:
                self._timer = self._loop.call_later(wait, self._release)
                return
            self._emit(self._held.popleft())
