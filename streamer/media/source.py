"""A film from a file as a stream of frames: decoding runs ahead on a thread of its own, a bounded way."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from streamer.frame import Frame
from streamer.media.decode import SourceCounters
from streamer.media.hardware import Device
from streamer.media.info import SourceInfo
from streamer.media.ports import EndOfStream, ignore
from streamer.media.reader import FileReader

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """`queue_frames`: decoded frames that may wait. `decoder_threads`: 0 for as many as there are processors.
    `decoder_device`: "cuda" for a graphics card's NVDEC, "auto" for that where it takes the film."""

    queue_frames: int = 4
    decoder_threads: int = 0
    decoder_device: Device = "cpu"

    def __post_init__(self) -> None:
        if self.queue_frames < 1:
            raise ValueError(f"queue_frames is at least 1, not {self.queue_frames}")
        if self.decoder_threads < 0:
            raise ValueError(f"decoder_threads is 0 or more, not {self.decoder_threads}")


class FileSource:
    """Frames of a local film, as `FrameSource`; opened, and its first frame decoded, when made.

    Raises what `FileReader` raises, here or from `recv`. `recv` is for one task at a time.
    """

    def __init__(
        self, path: Path, settings: SourceSettings | None = None, *, on_decoded: Callable[[float], None] = ignore
    ) -> None:
        """`on_decoded` is told the seconds that each frame took to be read and decoded, on the decoding thread."""
        self._settings = settings or SourceSettings()
        chosen = self._settings
        self._reader = FileReader(path, threads=chosen.decoder_threads, device=chosen.decoder_device)
        self._room = threading.Semaphore(self._settings.queue_frames)
        self._ready: asyncio.Queue[Frame | Exception] = asyncio.Queue()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._end: Exception | None = None
        self._on_decoded = on_decoded
        self._frames = 0

    @property
    def frames(self) -> int:
        """Frames decoded and handed over so far."""
        return self._frames

    @property
    def info(self) -> SourceInfo:
        return self._reader.info

    @property
    def decoder(self) -> str:
        """What decodes the film, and where, in a few words."""
        return self._reader.decoder

    @property
    def counters(self) -> SourceCounters:
        """What was mended or left out so far."""
        return self._reader.counters

    @property
    def damaged(self) -> str | None:
        """What is wrong with the file, as far as it was read, in one line; None for a sound one."""
        return self._reader.damaged

    async def recv(self) -> Frame:
        """The next frame. Raises EndOfStream after the last one, and after a `close`, even while it waits."""
        if self._end is not None:
            raise self._end
        if self._thread is None:
            self._start(asyncio.get_running_loop())
        item = await self._ready.get()
        if isinstance(item, Frame):
            self._room.release()
            return item
        self._end = item
        raise item

    async def aclose(self) -> None:
        """Ends decoding and lets go of the file; a waiting `recv` ends. In every state, and as often as one likes."""
        self._stop()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        self._reader.close()

    def close(self) -> None:
        """The same for callers without a loop."""
        self._stop()
        if self._thread is not None:
            self._thread.join()
        self._reader.close()

    def _stop(self) -> None:
        self._closing.set()
        self._room.release()
        if self._end is None:
            self._end = EndOfStream()
            self._ready.put_nowait(self._end)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._thread = threading.Thread(target=self._decode, args=(loop,), name="decode", daemon=True)
        self._thread.start()

    def _decode(self, loop: asyncio.AbstractEventLoop) -> None:
        """Runs on the decoding thread: one hand-over a frame, and none without room for it."""
        last: Exception = EndOfStream()
        try:
            for frame in self._timed():
                self._room.acquire()
                if not self._hand_over(loop, frame):
                    return
                self._frames += 1
        except Exception as error:  # whatever it is, it is raised by recv
            last = error
        self._hand_over(loop, last)

    def _timed(self) -> Iterator[Frame]:
        """The reader's frames; only the time inside the reader counts as decoding."""
        started = time.perf_counter()
        for frame in self._reader:
            self._on_decoded(time.perf_counter() - started)
            yield frame
            started = time.perf_counter()

    def _hand_over(self, loop: asyncio.AbstractEventLoop, item: Frame | Exception) -> bool:
        """Whether anybody still wants what comes."""
        if self._closing.is_set():
            return False
        try:
            loop.call_soon_threadsafe(self._ready.put_nowait, item)
        except RuntimeError:
            logger.debug("the event loop was closed before the source")
            return False
        return True
