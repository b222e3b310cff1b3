"""One live stream: its source, the newest frame, its way, and all its viewers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from streamer.frame import Frame
from streamer.live.arrivals import Arrivals
from streamer.live.conductor import Conductor
from streamer.live.enhancer import Enhancer
from streamer.live.facts import PictureFacts
from streamer.live.meter import StreamMeter
from streamer.live.ports import LiveSource, Outlet, SoundPacket, SourceState, SourceStatus
from streamer.live.settings import LiveSettings
from streamer.live.slot import LatestSlot
from streamer.live.standing import Standing
from streamer.live.status import stream_status
from web.feeds import Rendition, Status, Viewing

logger = logging.getLogger(__name__)

Kind = Literal["network", "publish"]

_CLOCK_RATE = 90000
_TIME_BASE = Fraction(1, _CLOCK_RATE)
_LOOK_SECONDS = 0.25
_TELL_SECONDS = 1.0
_SOONEST_SECONDS = 0.05
_AFTERGLOW_SECONDS = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class _Arrived:
    frame: Frame
    at: float
    decode_seconds: float


class Channel:
    """Feeds what its source brings through the conductor to its broadcast. It is the source's `Inlet` and the
    conductor's `Work`, and lives until `aclose`, whatever becomes of the source: viewers stay, and are told.

    Nobody watching, nothing is done: frames of a stream without viewers are only counted ("unwatched"), from 2 s after
    the last viewer left until the next one comes, unless `LiveSettings.without_viewers` is set. A frame that is
    `max_age_seconds` later than its source's frames usually are is dropped before any work ("late"), and so is one that
    a newer one overtakes while it waits ("superseded"). One on which the pipeline fails in a way that it didn't foresee
    counts as "failed"; the stream goes on, and says so.

    Frames get times of this process's clock and numbers of their own, which rise across reconnects.
    """

    def __init__(
        self,
        name: str,
        source: LiveSource,
        *,
        kind: Kind,
        broadcast: Outlet,
        conductor: Conductor,
        enhancer: Enhancer,
        meter: StreamMeter,
        settings: LiveSettings,
    ) -> None:
        self.name = name
        self.kind: Kind = kind
        self.source = source
        self._broadcast = broadcast
        self._conductor = conductor
        self._enhancer = enhancer
        self._meter = meter
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._slot = LatestSlot[_Arrived]()
        self._arrivals = Arrivals()
        self._standing = Standing(wait_seconds=settings.wait_seconds)
        self._size: tuple[int, int] | None = None
        self._seq = self._pts = -1
        self._watched_at = -math.inf
        self._was_watched = False
        self._trouble = ""
        self._listeners: set[asyncio.Event] = set()
        self._closed = False
        self._seat = conductor.join(self)
        self._looking = asyncio.create_task(self._look(), name=f"look {name}")

    def start(self) -> None:
        self.source.start(self)

    # What the source tells, on threads of its own.

    def picture(self, frame: Frame, *, decode_seconds: float) -> None:
        now = time.monotonic()
        self._meter.frame_in()
        self._meter.stage("decode", decode_seconds)
        self._arrivals.add(frame.captured_at, now)
        self._standing.pictured()
        self._size = (frame.width, frame.height)
        mine = self._retimed(frame)
        if not self._is_watched(now):
            self._meter.dropped("unwatched")
            return
        if self._slot.put(_Arrived(mine, now, decode_seconds)) is not None:
            self._meter.dropped("superseded")
        self._conductor.wake()

    def sound(self, packet: SoundPacket) -> None:
        self._broadcast.hear(packet)

    def status(self, status: SourceStatus) -> None:
        told = self._standing.tell(status)
        if told.is_back:
            self._meter.reconnected()
        self._meter.source(status)
        if told.is_new:
            self._show_standing()

    def dropped(self, reason: str, count: int = 1) -> None:
        self._meter.dropped(reason, count)

    def mended(self, what: str, count: int = 1) -> None:
        self._meter.mended(what, count)

    def _retimed(self, frame: Frame) -> Frame:
        self._seq += 1
        self._pts = max(self._pts + 1, round(frame.captured_at * _CLOCK_RATE))
        return replace(frame, pts=self._pts, time_base=_TIME_BASE, seq=self._seq)

    def _is_watched(self, now: float) -> bool:
        if self._broadcast.viewers or self._settings.without_viewers:
            self._watched_at = now
        is_watched = now - self._watched_at < _AFTERGLOW_SECONDS
        if self._was_watched and not is_watched:
            # Whoever comes next must not take what is shown last for how things are.
            self._broadcast.wait("One moment")
        self._was_watched = is_watched
        return is_watched

    # What the conductor asks for, on its thread.

    @property
    def is_waiting(self) -> bool:
        return bool(self._slot)

    def step(self, share: float) -> None:
        arrived = self._slot.take()
        if arrived is None:
            return
        now = time.monotonic()
        self._meter.stage("queue", now - arrived.at)
        lateness = now - arrived.frame.captured_at - self._arrivals.usual_age
        if lateness > self._settings.max_age_seconds:
            self._meter.dropped("late")
            return
        self._enhance(arrived, share, queue_seconds=now - arrived.at)

    def _enhance(self, arrived: _Arrived, share: float, *, queue_seconds: float) -> None:
        frame = arrived.frame
        try:
            done = self._enhancer.enhance(frame, interval=self._arrivals.interval, share=share)
        except Exception as error:
            self._failed(error)
            return
        self._trouble = ""
        report, effort = done.processed.report, done.effort.name
        self._meter.report(report)
        self._meter.effort(effort)
        before = {"decode": arrived.decode_seconds, "queue": queue_seconds}
        facts = PictureFacts.of(report, frame, effort=effort, extra_seconds=before)
        # Sources say that they are gone while a frame is still on its way: that one must not take the slate away.
        if self._standing.is_connected:
            self._broadcast.show(done.processed.frame, frame, facts)

    def _failed(self, error: Exception) -> None:
        """Any failure of a frame is one frame's; told once, however many follow."""
        self._meter.dropped("failed")
        trouble = f"{type(error).__name__}: {error}".splitlines()[0]
        if trouble != self._trouble:
            logger.error("stream %s: a frame failed", self.name, exc_info=error)
        self._trouble = trouble
        self._changed()

    # What the studio asks for, on the event loop.

    @property
    def max_viewers(self) -> int:
        return self._settings.max_viewers

    def view(self, rendition: Rendition) -> Viewing:
        """One more viewer. Raises FullError."""
        if self.source.has_sound:
            self._broadcast.has_sound = True
        viewing = self._broadcast.view(rendition)
        self._changed()
        return viewing

    def tell(self) -> Status:
        """The stream as `web/openapi.json` describes it (schema Stream)."""
        return stream_status(
            self.name,
            kind=self.kind,
            address=self.source.address,
            standing=self._standing,
            meter=self._meter.snapshot(),
            size=self._size,
            scale=None if self._size is None else self._enhancer.scale_for(self._size[1]),
            has_sound=self.source.has_sound or self._broadcast.has_sound,
            viewers=self._broadcast.viewers,
            max_viewers=self._settings.max_viewers,
            trouble=self._trouble,
        )

    async def changes(self) -> AsyncIterator[Status]:
        """The status now, on every change, and once a second; ends with the stream."""
        event = asyncio.Event()
        self._listeners.add(event)
        try:
            while not self._closed:
                event.clear()
                yield self.tell()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), _TELL_SECONDS)
                # Changes come in handfuls.
                await asyncio.sleep(_SOONEST_SECONDS)
        finally:
            self._listeners.discard(event)

    async def aclose(self) -> None:
        """Ends the source, then the work, then the viewings. May be called twice."""
        async with AsyncExitStack() as stack:
            stack.callback(self._end)
            stack.push_async_callback(self._broadcast.aclose)
            stack.push_async_callback(self._conductor.leave, self._seat)
            stack.push_async_callback(self.source.aclose)
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def _end(self) -> None:
        self._meter.close()
        self._closed = True
        self._notify()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._standing.look():
                self._show_standing()

    def _show_standing(self) -> None:
        """Viewers see a slate whenever the source is not live; the next picture takes it away."""
        status = self._standing.status
        if status.state is not SourceState.LIVE:
            self._broadcast.wait(status.message)
        self._changed()

    def _changed(self) -> None:
        """From any thread."""
        if not self._closed:
            self._loop.call_soon_threadsafe(self._notify)

    def _notify(self) -> None:
        for event in self._listeners:
            event.set()
