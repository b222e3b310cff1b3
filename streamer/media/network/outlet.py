"""What a live source gives to its inlet: numbered over all its connections, and nothing more once it is closed."""

from __future__ import annotations

import threading
import time
from fractions import Fraction

from streamer.color import ColorSpec, Planes
from streamer.frame import Frame
from streamer.live.ports import Inlet, SoundPacket, SourceStatus
from streamer.media.network.mending import Rising

TIME_BASE = Fraction(1, 90000)


class Outlet:
    """Stands before an `Inlet`. A thread that was left behind by a `close` says nothing any more.

    A frame's pts counts its `captured_at` from when the source was made, so it goes on over lost connections.
    """

    def __init__(self, inlet: Inlet) -> None:
        self._inlet = inlet
        self._lock = threading.Lock()
        self._is_closed = False
        self._epoch = time.monotonic()
        self._seq = 0
        self._last_pts = -1
        self._rising = Rising()

    def picture(self, planes: Planes, color: ColorSpec, *, captured_at: float, decode_seconds: float) -> None:
        captured_at, moved = self._rising.place(captured_at)
        pts = max(self._last_pts + 1, round((captured_at - self._epoch) / TIME_BASE))
        frame = Frame(*planes, color, pts, TIME_BASE, self._seq, captured_at)
        self._last_pts = pts
        self._seq += 1
        with self._lock:
            if not self._is_closed:
                if moved:
                    self._inlet.mended("timestamp_fell")
                self._inlet.picture(frame, decode_seconds=decode_seconds)

    def sound(self, packet: SoundPacket) -> None:
        with self._lock:
            if not self._is_closed:
                self._inlet.sound(packet)

    def status(self, status: SourceStatus) -> None:
        with self._lock:
            if not self._is_closed:
                self._inlet.status(status)

    def dropped(self, reason: str, count: int = 1) -> None:
        with self._lock:
            if not self._is_closed:
                self._inlet.dropped(reason, count)

    def mended(self, what: str, count: int = 1) -> None:
        with self._lock:
            if not self._is_closed:
                self._inlet.mended(what, count)

    def close(self) -> None:
        """After this the inlet hears nothing."""
        with self._lock:
            self._is_closed = True
