"""One stream to all its viewers: every picture is encoded once, however many look."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from streamer.errors import SinkError
from streamer.frame import Frame
from streamer.live.facts import PictureFacts
from streamer.live.handover import RENDITIONS, Handover, Job, Shown
from streamer.live.mailbox import Mailbox
from streamer.live.meter import NOBODY, StreamMeter
from streamer.live.ports import SoundPacket
from streamer.live.rendition import Pace, RenditionCoder
from streamer.live.settings import LiveSettings
from streamer.live.slate import Slate
from streamer.live.soundtrack import Delay, SoundClock, Soundtrack
from streamer.live.viewing import Audience
from streamer.media.live_encoder import CLOCK_RATE
from web.feeds import BrokenError, EncodedPicture, EncodedSound, Rendition, UnknownStreamError, Viewing

logger = logging.getLogger(__name__)

_FIRST_MESSAGE = "Waiting for the first picture"
# What waits for an event loop that stands still; no more is made then.
_MOST_PICTURES, _MOST_SOUNDS = 16, 64
# A source's clock begins about when the stream does, but nothing says that it doesn't begin before.
_HEAD_START_SECONDS = 60.0


class PictureClock:
    """Gives pictures their pts: capture times in 1/90000 s since `epoch` (monotonic seconds), always rising."""

    def __init__(self, epoch: float) -> None:
        self.epoch = epoch
        self._last = -1

    def place(self, captured_at: float) -> int:
        self._last = max(round((captured_at - self.epoch) * CLOCK_RATE), self._last + 1)
        return self._last


class _Content(NamedTuple):
    """What to encode. `is_live`: it is a picture of the source that was not shown before."""

    shown: Shown
    captured_at: float
    is_live: bool
    note: Mapping[str, Any]


class Broadcast:
    """What a stream shows and plays goes in on any thread; viewers take it on the event loop `loop`.

    Until the first `show`, and after `wait`, viewers see a slate. Nothing is encoded while nobody views. One thread
    encodes, and holds no more than the newest picture.
    """

    def __init__(self, settings: LiveSettings, meter: StreamMeter, loop: asyncio.AbstractEventLoop) -> None:
        self._meter, self._loop = meter, loop
        self.has_sound = False
        """Whether there is sound, as far as is known: true from the first packet on, or when the source says so."""
        self._without_viewers = settings.without_viewers
        self._handover = Handover(message=_FIRST_MESSAGE, key_seconds=settings.key_seconds, lost=self._lose)
        self._audience = Audience(
            meter,
            most=settings.max_viewers,
            wanted=self._handover.want,
            need_key=self._handover.need_key,
            has_sound=lambda: self.has_sound,
        )
        self._clock = PictureClock(time.monotonic() - _HEAD_START_SECONDS)
        self._delay = Delay()
        self._soundtrack = Soundtrack(SoundClock(self._clock.epoch), self._delay, loop, self._play)
        self._pace = Pace()
        self._coders = {rendition: RenditionCoder(rendition, settings) for rendition in RENDITIONS}
        self._slate = Slate()
        self._pictures: Mailbox[tuple[EncodedPicture, bool]] = Mailbox(loop, self._show, most=_MOST_PICTURES)
        self._sounds: Mailbox[SoundPacket] = Mailbox(loop, self._soundtrack.put, most=_MOST_SOUNDS)
        self._failing = False
        self._ended_by = ""
        self._handed_over: int | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="encode", daemon=True)
        self._thread.start()

    @property
    def viewers(self) -> int:
        return self._audience.count

    @property
    def trouble(self) -> str:
        """Why viewers see no new pictures, in one line; empty while they do, and while there are none."""
        if self._ended_by:
            return self._ended_by
        return next((coder.trouble for coder in self._coders.values() if coder.trouble and self._audience.count), "")

    @property
    def epoch(self) -> int:
        """Rises with every `wait`."""
        return self._handover.epoch

    def show(self, enhanced: Frame, original: Frame, facts: PictureFacts, *, epoch: int | None = None) -> bool:
        """The next picture, from any one thread; returns at once. Both frames have one colour. False, and nothing done,
        where `epoch` is over: a picture that came before the last `wait` does not end it."""
        self._pace.add(enhanced.captured_at)
        return self._handover.put(Shown(enhanced, original, facts), epoch=epoch)

    def hear(self, packet: SoundPacket) -> None:
        """The next packet of sound, from any thread; returns at once."""
        self.has_sound = True
        if self._audience.count and not self._closed:
            self._sounds.post(packet)

    def wait(self, message: str) -> None:
        """There is nothing to show: a slate with this line until the next `show`. From any thread; returns at once."""
        self._handover.wait(message)

    def view(self, rendition: Rendition = "enhanced") -> Viewing:
        """One more viewer; on the event loop. Raises FullError, BrokenError, UnknownStreamError when closed."""
        if self.trouble:
            raise BrokenError(f"this stream can't be shown now ({self.trouble}): try again later")
        if self._closed:
            raise UnknownStreamError("this stream was removed")
        return self._audience.join(rendition)

    async def aclose(self) -> None:
        """Ends all viewings, then the thread; may be called twice."""
        self._end()
        self._handover.close()
        await asyncio.to_thread(self._thread.join)

    def _end(self) -> None:
        self._closed = True
        self._audience.end()
        self._soundtrack.clear()

    def _show(self, coded: tuple[EncodedPicture, bool]) -> None:
        """On the event loop, as all that viewers get."""
        picture, is_live = coded
        if is_live:
            now = time.monotonic()
            age = now - picture.captured_at
            self._delay.add(age, now)
            # Of one frame there may be several renditions.
            again, self._handed_over = picture.seq == self._handed_over, picture.seq
            self._meter.frame_out(
                latency_seconds=age, size_bytes=len(picture.data), rendition=picture.rendition, again=again
            )
        self._audience.show(picture)

    def _play(self, sound: EncodedSound) -> None:
        self._meter.sound_out(len(sound.data))
        self._audience.play(sound)

    def _run(self) -> None:
        """The encoding thread."""
        try:
            while (job := self._handover.take()) is not None:
                self._encode(job)
        except Exception as error:
            self._ended_by = f"encoding ended: {type(error).__name__}: {error}".splitlines()[0]
            logger.exception("encoding ended; its viewers are sent away")
            self._loop.call_soon_threadsafe(self._end)

    def _encode(self, job: Job) -> None:
        for rendition, coder in self._coders.items():
            if rendition not in job.renditions:
                coder.rest()
        if not job.renditions:
            return
        try:
            content = self._content(job)
        except Exception as error:
            for rendition in job.renditions:
                self._broke(rendition, error)
            return
        if content.is_live:
            self._meter.stage("handover", time.monotonic() - content.shown.made_at)
        failures = [self._send(content, rendition, key=rendition in job.keys) for rendition in job.renditions]
        reasons = [reason for reason in failures if reason is not None]
        # One frame of the source, whatever was to be made of it; a slate is none.
        if content.is_live and len(reasons) == len(failures):
            self._meter.dropped(reasons[0])

    def _send(self, content: _Content, rendition: Rendition, *, key: bool) -> str | None:
        """Why it could not be sent, None if it was."""
        if self._pictures.is_full:
            return self._failed(rendition, "encoder_busy")
        try:
            picture = self._coded(content, rendition, key=key)
        except Exception as error:
            return self._broke(rendition, error)
        self._failing = False
        self._coders[rendition].worked()
        if picture.is_key:
            self._handover.made_key(rendition)
        self._pictures.post((picture, content.is_live))
        return None

    def _broke(self, rendition: Rendition, error: Exception) -> str:
        """Whatever it was, it was this picture's: the next one gets a new encoder."""
        self._coders[rendition].failed(error)
        if not self._failing:
            unforeseen = None if isinstance(error, SinkError) else error
            logger.error("pictures are not shown from here on: %s", error, exc_info=unforeseen)
        self._failing = True
        return self._failed(rendition, "encoder_failed")

    def _failed(self, rendition: Rendition, reason: str) -> str:
        self._handover.failed_key(rendition)
        return reason

    def _lose(self, shown: Shown, reason: str) -> None:
        """A picture was made that is not encoded."""
        if reason == "unwatched" and self._without_viewers:
            # Made for the metrics' sake: this is as far as it goes.
            age = time.monotonic() - shown.facts.captured_at
            self._meter.frame_out(latency_seconds=age, size_bytes=0, rendition=NOBODY)
        else:
            self._meter.dropped(reason)

    def _content(self, job: Job) -> _Content:
        if job.shown is not None and job.message is None and not job.repeated:
            return _Content(job.shown, job.shown.enhanced.captured_at, True, {})
        # What was not captured now is placed where a picture captured now would be.
        now = time.monotonic() - self._delay.seconds
        note = {"captured_ms": round(1000 * now, 1)}
        if job.message is not None:
            return _Content(self._slate.picture(job.shown, job.message), now, False, {**note, "slate": job.message})
        assert job.shown is not None
        return _Content(job.shown, now, False, {**note, "repeated": True})

    def _coded(self, content: _Content, rendition: Rendition, *, key: bool) -> EncodedPicture:
        shown, started_at = content.shown, time.monotonic()
        pts = self._clock.place(content.captured_at)
        coded, layout = self._coders[rendition].encode(
            shown.enhanced, shown.original, pts=pts, key=key, rate=self._pace.rate
        )
        seconds = time.monotonic() - started_at
        waited = started_at - shown.made_at
        self._meter.stage("encode", seconds)
        later = {"handover": 1000 * waited, "encode": 1000 * seconds} if content.is_live else {"encode": 1000 * seconds}
        facts = {**shown.facts.as_json(later_ms=later), **content.note}
        return EncodedPicture(
            coded.data, pts, coded.is_key, shown.facts.seq, content.captured_at, rendition, layout, facts
        )
