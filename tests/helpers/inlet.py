"""An inlet that keeps what a live source gives it, and waits for what a test expects."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from streamer.frame import Frame
from streamer.live.ports import SoundPacket, SourceState, SourceStatus
from tests.helpers.rtsp import is_flash, read_number
from web.feeds import LostPackets


class CollectingInlet:
    """`arrivals`: when each of `frames` was handed over."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.arrivals: list[float] = []
        self.packets: list[SoundPacket] = []
        self.statuses: list[SourceStatus] = []
        self.drops: Counter[str] = Counter()
        self.mends: Counter[str] = Counter()
        self._changed = threading.Condition()

    def picture(self, frame: Frame, *, decode_seconds: float) -> None:
        assert decode_seconds >= 0
        with self._changed:
            self.arrivals.append(time.monotonic())
            self.frames.append(frame)
            self._changed.notify_all()

    def sound(self, packet: SoundPacket) -> None:
        with self._changed:
            self.packets.append(packet)
            self._changed.notify_all()

    def status(self, status: SourceStatus) -> None:
        with self._changed:
            self.statuses.append(status)
            self._changed.notify_all()

    def dropped(self, reason: str, count: int = 1) -> None:
        self.drops[reason] += count

    def mended(self, what: str, count: int = 1) -> None:
        self.mends[what] += count

    def packets_lost(self, kind: LostPackets, count: int = 1) -> None:
        raise AssertionError("FFmpeg tells of no packets")

    @property
    def states(self) -> list[SourceState]:
        return [status.state for status in self.statuses]

    @property
    def numbers(self) -> list[int | None]:
        return [read_number(frame.y) for frame in self.frames]

    def wait(self, fulfilled: Callable[[], bool], *, seconds: float = 15.0) -> None:
        """Returns when `fulfilled`; fails the test after so long."""
        with self._changed:
            done = self._changed.wait_for(fulfilled, seconds)
        assert done, f"not in {seconds} s; states: {self.statuses}; frames: {len(self.frames)}"

    def wait_frames(self, count: int, *, seconds: float = 15.0) -> None:
        """Returns when so many more frames came."""
        wanted = len(self.frames) + count
        self.wait(lambda: len(self.frames) >= wanted, seconds=seconds)

    def wait_state(self, state: SourceState, *, seconds: float = 15.0) -> SourceStatus:
        """Returns the latest status when its state is, or becomes, this one."""
        self.wait(lambda: bool(self.statuses) and self.statuses[-1].state is state, seconds=seconds)
        return self.statuses[-1]

    def flashes(self) -> list[float]:
        """When the frames that flash were captured."""
        return [frame.captured_at for frame in self.frames if is_flash(frame.y)]

    def beeps(self) -> list[float]:
        """When each beep began, as a viewer's decoder hears it."""
        decoder = av.CodecContext.create("libopus", "r")
        assert isinstance(decoder, AudioCodecContext)
        decoder.sample_rate, decoder.layout = 48000, "stereo"
        begins: list[float] = []
        last = -1.0
        for packet in self.packets:
            for heard in decoder.decode(av.Packet(packet.data)):
                wave = np.abs(heard.to_ndarray().reshape(-1, 2)[:, 0].astype(np.float64))
                for index in np.flatnonzero(wave > 0.1 * 32768):
                    at = packet.captured_at + float(index) / 48000
                    if at - last > 0.3:
                        begins.append(at)
                    last = at
        return begins
