"""One live stream: its source, the newest frame, its way, and all its viewers."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from threading import Lock
from typing import Literal

from streamer.frame import Frame
from streamer.live.conductor import Conductor
from streamer.live.enhancer import Enhanced, Enhancer
from streamer.live.facts import PictureFacts
from streamer.live.intake import Arrived, Intake
from streamer.live.listeners import Listeners
from streamer.live.meter import UNWATCHED, StreamMeter
from streamer.live.ports import LiveSource, Outlet, SoundPacket, SourceState, SourceStatus
from streamer.live.settings import LiveSettings
from streamer.live.slate import slate_words
from streamer.live.standing import Standing
from streamer.live.status import stream_status
from web.feeds import LostPackets, Rendition, Status, Viewing

logger = logging.getLogger(__name__)

Kind = Literal["network", "publish"]

_LOOK_SECONDS = 0.25
_AFTERGLOW_SECONDS = 2.0


class Channel:
    """Feeds what its source brings through the conductor to its broadcast. It is the source's `Inlet` and the
    conductor's `Work`, and lives until `aclose`, whatever becomes of the source: viewers stay, and are told.

    Nobody watching, nothing is done: frames of a stream without viewers are only counted ("unwatched"), from 2 s after
    the last viewer left until the next one comes, unless `LiveSettings.without_viewers` is set. Else the newest frame
    is enhanced as soon as there is time for it. One that a newer one overtakes while it waits is dropped before any
    work ("superseded"); so is one that comes `max_age_seconds` later than usual while its source is catching up, so
    that newer ones follow at once ("late"), and what is not done when the source is lost ("source_lost"). One on which
    the pipeline fails in a way that it didn't foresee counts as "failed"; the stream goes on, and says so.

    So every frame that comes in is shown or dropped, for one reason. Frames get times of this process's clock and
    numbers of their own, which rise across reconnects.
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
        self._intake = Intake(max_age_seconds=settings.max_age_seconds)
        self._standing = Standing(wait_seconds=settings.wait_seconds)
        # A frame comes before a slate, or after it: what stands and what viewers are shown change together.
        self._turn = Lock()
        self._size: tuple[int, int] | None = None
        self._watched_at = -math.inf
        self._was_watched = False
        self._trouble = ""
        self._listeners = Listeners(self.tell)
        self._seat = conductor.join(self)
        self._looking = asyncio.create_task(self._look(), name=f"look {name}")

    def start(self) -> None:
        self.source.start(self)

    # What the source tells, on threads of its own.

    def picture(self, frame: Frame, *, decode_seconds: float) -> None:
        now = time.monotonic()
        self._meter.frame_in()
        self._meter.stage("decode", decode_seconds)
        self._size = (frame.width, frame.height)
        with self._turn:
            self._standing.pictured()
            reason = self._refusal(now)
            epoch = self._broadcast.epoch
        arrived = self._intake.place(frame, now=now, decode_seconds=decode_seconds, epoch=epoch)
        if reason is not None:
            self._meter.dropped(reason)
            return
        if self._intake.put(arrived) is not None:
            self._meter.dropped("superseded")
        self._conductor.wake()

    def sound(self, packet: SoundPacket) -> None:
        self._broadcast.hear(packet)

    def status(self, status: SourceStatus) -> None:
        with self._turn:
            told = self._standing.tell(status)
            if told.is_back:
                self._meter.reconnected()
            self._tell_standing(slate=told.is_new)

    def dropped(self, reason: str, count: int = 1) -> None:
        self._meter.dropped(reason, count)

    def mended(self, what: str, count: int = 1) -> None:
        self._meter.mended(what, count)

    def packets_lost(self, kind: LostPackets, count: int = 1) -> None:
        self._meter.packets_lost(kind, count)

    def _refusal(self, now: float) -> str | None:
        """Why a frame that comes now is not to be enhanced, None if it is."""
        if not self._is_watched(now):
            return UNWATCHED
        # Sources say that they are gone while a frame is still on its way: that one must not take the slate away.
        return "source_lost" if self._standing.is_lost else None

    def _is_watched(self, now: float) -> bool:
        if self._broadcast.viewers or self._settings.without_viewers:
            self._watched_at = now
        is_watched = now - self._watched_at < _AFTERGLOW_SECONDS
        if self._was_watched and not is_watched:
            # Whoever comes next must not take what is shown last for how things are.
            self._broadcast.wait("One moment")
            self._intake.pause()
            self._meter.idle()
        self._was_watched = is_watched
        return is_watched

    # What the conductor asks for, on its thread.

    @property
    def is_waiting(self) -> bool:
        return bool(self._intake)

    def step(self, share: float) -> None:
        arrived = self._intake.take()
        if arrived is None:
            return
        now = time.monotonic()
        self._meter.stage("queue", now - arrived.at)
        if arrived.epoch != self._broadcast.epoch:
            self._meter.dropped(self._missed)
        elif self._intake.is_late(arrived, now):
            self._meter.dropped("late")
        else:
            self._enhance(arrived, share, queue_seconds=now - arrived.at)

    def _enhance(self, arrived: Arrived, share: float, *, queue_seconds: float) -> None:
        try:
            done = self._enhancer.enhance(arrived.frame, interval=self._intake.interval, share=share, run=arrived.run)
        except Exception as error:
            self._failed(error)
            return
        self._trouble = ""
        self._meter.report(done.processed.report)
        self._show(arrived, done, queue_seconds=queue_seconds)

    def _show(self, arrived: Arrived, done: Enhanced, *, queue_seconds: float) -> None:
        frame, effort = arrived.frame, done.effort.name
        before = {"decode": arrived.decode_seconds, "queue": queue_seconds}
        facts = PictureFacts.of(done.processed.report, frame, effort=effort, extra_seconds=before)
        with self._turn:
            is_shown = self._broadcast.show(done.processed.frame, frame, facts, epoch=arrived.epoch)
            if is_shown:
                self._intake.shown(time.monotonic())
                self._meter.effort(effort)
        if not is_shown:
            self._meter.dropped(self._missed)

    @property
    def _missed(self) -> str:
        """Why viewers wait for what comes later than a frame that was under way."""
        return "source_lost" if self._was_watched else UNWATCHED

    def _failed(self, error: Exception) -> None:
        """Any failure of a frame is one frame's; told once, however many follow."""
        self._meter.dropped("failed")
        trouble = f"{type(error).__name__}: {error}".splitlines()[0]
        if trouble != self._trouble:
            logger.error("stream %s: a frame failed", self.name, exc_info=error)
        self._trouble = trouble
        self._listeners.changed()

    # What the studio asks for, on the event loop.

    @property
    def max_viewers(self) -> int:
        return self._settings.max_viewers

    @property
    def outlet_trouble(self) -> str:
        """Why viewers see no new pictures though there are some; empty where they do."""
        return self._broadcast.trouble

    def view(self, rendition: Rendition) -> Viewing:
        """One more viewer. Raises FullError, BrokenError."""
        if self.source.has_sound:
            self._broadcast.has_sound = True
        viewing = self._broadcast.view(rendition)
        self._listeners.changed()
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
            decoder=self.source.decoder,
            viewers=self._broadcast.viewers,
            max_viewers=self._settings.max_viewers,
            trouble=self._trouble or self.outlet_trouble,
        )

    def changes(self) -> AsyncIterator[Status]:
        """The status now, on every change, and once a second; ends with the stream."""
        return self._listeners.changes()

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
        self._listeners.close()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            with self._turn:
                if self._standing.look():
                    self._tell_standing(slate=True)

    def _tell_standing(self, *, slate: bool) -> None:
        """Viewers see a slate whenever the source is not live; the next picture takes it away."""
        status = self._standing.status
        self._meter.source(status)
        if status.state is not SourceState.LIVE:
            self._meter.idle()
            if slate:
                self._broadcast.wait(slate_words(status))
        if slate:
            self._listeners.changed()
