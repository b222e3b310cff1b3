"""What becomes of a live stream that is recorded: the place of viewers is taken by a film."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread

from streamer.errors import FacelaneError, ProcessingError
from streamer.frame import Frame
from streamer.live.facts import PictureFacts
from streamer.live.meter import StreamMeter
from streamer.live.ports import SoundPacket
from streamer.media.live_file import LiveFileWriter
from web.feeds import FullError, Rendition, Viewing

logger = logging.getLogger(__name__)

# Pictures that may wait for the encoder: enough to ride out a key frame or a slow disk for a moment.
_PICTURES = 8
_SOUNDS = 500


class Recording:
    """Takes what a channel shows and plays, as a broadcast does, and writes it on a thread of its own.

    When the encoder or the disk is behind, the oldest waiting picture is dropped ("encoder_busy"). After
    `duration_seconds` from the first picture on nothing more is taken, and `is_over` says so; as it does after a
    `failure`, the error that ended the film early. `has_sound` says whether the source is known to have sound.
    """

    def __init__(
        self,
        writer: LiveFileWriter,
        meter: StreamMeter,
        *,
        expects_sound: Callable[[], bool],
        duration_seconds: float | None = None,
    ) -> None:
        self.has_sound = False
        self.failure: FacelaneError | None = None
        self._writer = writer
        self._meter = meter
        self._expects_sound = expects_sound
        self._duration = duration_seconds
        self._begun_at: float | None = None
        self._changed = Condition()
        self._items: deque[Frame | SoundPacket] = deque()
        self._pictures = self._sounds = 0
        self._ended = self._is_full = False
        self._thread = Thread(target=self._run, name="film", daemon=True)
        self._thread.start()

    @property
    def viewers(self) -> int:
        return 0

    @property
    def trouble(self) -> str:
        return "" if self.failure is None else str(self.failure)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be taken."""
        return self._is_full or self.failure is not None or self._has_run_out

    @property
    def epoch(self) -> int:
        """Always the same: a film has room for whatever was captured, however late it comes."""
        return 0

    def show(self, enhanced: Frame, original: Frame, facts: PictureFacts, *, epoch: int | None = None) -> bool:
        """The next picture, from any one thread; returns at once."""
        with self._changed:
            if self._begun_at is None:
                self._begun_at = enhanced.captured_at
            if self._is_late(enhanced.captured_at):
                self._is_full = True
                return True
            if self._pictures >= _PICTURES:
                self._drop_picture()
            self._pictures += 1
            self._items.append(enhanced)
            self._changed.notify()
            return True

    def hear(self, packet: SoundPacket) -> None:
        """The next packet of sound, from any thread; returns at once."""
        with self._changed:
            self.has_sound = True
            if self._sounds < _SOUNDS and not self._is_late(packet.captured_at):
                self._sounds += 1
                self._items.append(packet)
                self._changed.notify()

    def wait(self, message: str) -> None:
        """Nothing is written: the time that passes is a gap in the film."""

    def view(self, rendition: Rendition = "enhanced") -> Viewing:
        raise FullError("this stream is recorded, not shown")

    async def aclose(self) -> None:
        """Writes what waits, and gives the film its name; `failure` tells what went wrong. May be called twice."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)

    @property
    def _has_run_out(self) -> bool:
        """Whether the time is over, though no picture came to say so."""
        return self._begun_at is not None and self._is_late(time.monotonic() - 1.0)

    def _is_late(self, captured_at: float) -> bool:
        return (
            self._duration is not None and self._begun_at is not None and captured_at - self._begun_at >= self._duration
        )

    def _drop_picture(self) -> None:
        oldest = next(item for item in self._items if isinstance(item, Frame))
        self._items.remove(oldest)
        self._pictures -= 1
        self._meter.dropped("encoder_busy")

    def _run(self) -> None:
        try:
            while (item := self._next()) is not None:
                self._write(item)
        except Exception as error:
            self._fail(error)
        finally:
            self._finish()

    def _finish(self) -> None:
        try:
            self._writer.finish()
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """The first failure is the one that is told."""
        if not isinstance(error, FacelaneError):
            logger.error("writing the film failed in a way that nobody foresaw", exc_info=error)
            error = ProcessingError(f"the film could not be written: {type(error).__name__}: {error}".splitlines()[0])
        elif self.failure is not None:
            logger.debug("the film's end could not be written: %s", error)
        self.failure = self.failure or error

    def _next(self) -> Frame | SoundPacket | None:
        with self._changed:
            while not self._items:
                if self._ended:
                    return None
                self._changed.wait()
            item = self._items.popleft()
            if isinstance(item, Frame):
                self._pictures -= 1
            else:
                self._sounds -= 1
            return item

    def _write(self, item: Frame | SoundPacket) -> None:
        if not isinstance(item, Frame):
            self._writer.hear(item)
            return
        started = time.perf_counter()
        written = self._writer.write(item, has_sound=self._expects_sound())
        self._meter.stage("encode", time.perf_counter() - started)
        self._meter.frame_out(latency_seconds=time.monotonic() - item.captured_at, size_bytes=written)
