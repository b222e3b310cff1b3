"""The source that a publisher feeds: decoded pictures and Opus as they come over WebRTC."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from threading import Condition, Thread

import av

from streamer.errors import FacelaneError
from streamer.frame import Frame
from streamer.live.clock import ArrivalClock
from streamer.live.ports import Cause, Inlet, SoundPacket, SourceState, SourceStatus
from streamer.live.slot import LatestSlot
from streamer.media.convert import convert
from streamer.media.orient import orient, orientation_of
from web.feeds import LostPackets, LostPictures, NameTakenError

logger = logging.getLogger(__name__)

_CLOCK_RATE = 90000
_TIME_BASE = Fraction(1, _CLOCK_RATE)
_WAITING = SourceStatus(SourceState.WAITING)
_LEFT = SourceStatus(SourceState.WAITING, Cause.CLOSED, "The publisher left; waiting for somebody to publish")
_COMING = SourceStatus(SourceState.CONNECTING, Cause.NONE, "A publisher is connecting")
_LIVE = SourceStatus(SourceState.LIVE)


@dataclass(frozen=True, slots=True, eq=False)
class _Received:
    picture: av.VideoFrame
    captured_at: float
    decode_seconds: float
    by: Publication


class Publication:
    """One publisher's end: a `web.feeds.Publishing`. Used on the event loop; returns at once."""

    def __init__(self, source: PublishedSource) -> None:
        self._source = source
        self._clock = ArrivalClock()
        self._over = asyncio.Event()

    def picture(
        self, picture: av.VideoFrame, *, media_seconds: float, arrived_at: float, decode_seconds: float
    ) -> None:
        """The picture's size may change from one to the next."""
        captured_at = self._clock.place(media_seconds, arrived_at)
        self._source.receive(_Received(picture, captured_at, decode_seconds, self))

    def sound(self, opus: bytes, *, samples: int, media_seconds: float, arrived_at: float) -> None:
        captured_at = self._clock.place(media_seconds, arrived_at)
        self._source.hear(SoundPacket(opus, samples, captured_at), by=self)

    def lost(self, why: LostPictures, count: int = 1) -> None:
        if (inlet := self._source.inlet_of(self)) is not None:
            inlet.dropped(why, count)

    def packets_lost(self, kind: LostPackets, count: int = 1) -> None:
        if (inlet := self._source.inlet_of(self)) is not None:
            inlet.packets_lost(kind, count)

    async def ended(self) -> str:
        await self._over.wait()
        return "the stream was removed"

    def end(self) -> None:
        """Nothing more is taken."""
        self._over.set()

    def close(self) -> None:
        self._source.leave(self)


class PublishedSource:
    """A live source that waits for a publisher, and for the next when one left. Pictures become frames on a thread of
    its own, the newest first: what can't be kept up with is dropped ("catching_up").

    `on_left`: called on the event loop when a publisher leaves.
    """

    def __init__(self, name: str, *, on_left: Callable[[], None] = lambda: None) -> None:
        self._name = name
        self._on_left = on_left
        self._inlet: Inlet | None = None
        self._publication: Publication | None = None
        self._is_live = False
        self._has_sound = False
        self._slot = LatestSlot[_Received]()
        self._changed = Condition()
        self._closed = False
        self._told = ""
        self._seq = 0
        self._thread = Thread(target=self._run, name=f"convert {name}", daemon=True)

    @property
    def address(self) -> str:
        return f"/whip/{self._name}"

    @property
    def has_sound(self) -> bool:
        return self._has_sound

    @property
    def decoder(self) -> str:
        """Always the processor: `web.decoding`."""
        return "cpu" if self._is_live else ""

    @property
    def is_taken(self) -> bool:
        """Whether somebody publishes now."""
        return self._publication is not None

    def start(self, inlet: Inlet) -> None:
        self._inlet = inlet
        inlet.status(_WAITING)
        self._thread.start()

    def open(self) -> Publication:
        """For the one publisher. Raises NameTakenError while there is another."""
        if self.is_taken or self._closed:
            raise NameTakenError(f"somebody publishes to {self._name!r} already: wait, or take another name")
        self._publication = Publication(self)
        self._is_live = self._has_sound = False
        self._tell(_COMING)
        return self._publication

    def receive(self, received: _Received) -> None:
        if received.by is not self._publication or self._inlet is None:
            return
        if not self._is_live:
            self._is_live = True
            self._tell(_LIVE)
        if self._slot.put(received) is not None:
            self._inlet.dropped("catching_up")
        with self._changed:
            self._changed.notify()

    def hear(self, packet: SoundPacket, *, by: Publication) -> None:
        if by is self._publication and self._inlet is not None:
            self._has_sound = True
            self._inlet.sound(packet)

    def inlet_of(self, publication: Publication) -> Inlet | None:
        """What this publisher feeds now, if anything."""
        return self._inlet if publication is self._publication else None

    def leave(self, publication: Publication) -> None:
        if publication is not self._publication:
            return
        self._publication = None
        self._slot.take()
        self._tell(_LEFT)
        self._on_left()

    async def aclose(self) -> None:
        """Ends it; a publisher who is still there is told, and heard no more."""
        publication, self._publication = self._publication, None
        if publication is not None:
            publication.end()
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def _tell(self, status: SourceStatus) -> None:
        if self._inlet is not None:
            self._inlet.status(status)

    def _run(self) -> None:
        while (received := self._next()) is not None:
            started = time.perf_counter()
            frame = self._converted(received)
            # The publisher may have left, and another have come, in the meantime.
            if frame is not None and self._inlet is not None and received.by is self._publication:
                seconds = received.decode_seconds + time.perf_counter() - started
                self._inlet.picture(frame, decode_seconds=seconds)

    def _next(self) -> _Received | None:
        with self._changed:
            while not self._closed:
                received = self._slot.take()
                if received is not None:
                    return received
                self._changed.wait()
        return None

    def _converted(self, received: _Received) -> Frame | None:
        try:
            planes, color = convert(received.picture)
            y, u, v = orient(planes, orientation_of(received.picture))
        except Exception as error:
            # Whatever a publisher sends: the next picture may be one that can be used.
            self._fail(error)
            return None
        self._seq += 1
        pts = round(received.captured_at * _CLOCK_RATE)
        return Frame(y, u, v, color, pts, _TIME_BASE, self._seq, received.captured_at)

    def _fail(self, error: Exception) -> None:
        """Told once, counted always."""
        if str(error) != self._told:
            self._told = str(error)
            unforeseen = None if isinstance(error, FacelaneError) else error
            logger.warning("stream %s: a picture can't be used: %s", self._name, error, exc_info=unforeseen)
        if self._inlet is not None:
            self._inlet.dropped("undecodable")
