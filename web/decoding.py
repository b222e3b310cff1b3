"""Decoding what a publisher sends, on a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable

import av
from av.video.codeccontext import VideoCodecContext

from web.reorder import CodedPicture

logger = logging.getLogger(__name__)

MAX_AGE_SECONDS = 0.5

Decoded = Callable[[av.VideoFrame, CodedPicture, float], None]
"""With the picture that it was, and how long decoding took, in seconds."""


class PictureDecoder:
    """Decodes pictures in their order. `decoded` and `failed` are called on the event loop that it was made on."""

    def __init__(self, *, decoded: Decoded, failed: Callable[[], None]) -> None:
        self._decoded = decoded
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[str, CodedPicture]] = deque()
        self._news = threading.Condition()
        self._closed = False
        self._codec: tuple[str, VideoCodecContext] | None = None
        self._thread = threading.Thread(target=self._run, name="publisher-decoder", daemon=True)
        self._thread.start()

    def put(self, codec: str, picture: CodedPicture) -> int:
        """0; or, where decoding is so far behind that what waited was thrown away, and this with it, how many pictures
        that were: a key frame is needed then."""
        skipped = 0
        with self._news:
            self._waiting.append((codec, picture))
            if picture.arrived_at - self._waiting[0][1].arrived_at > MAX_AGE_SECONDS:
                skipped = len(self._waiting)
                self._waiting.clear()
            self._news.notify()
        return skipped

    def close(self) -> None:
        """Ends the thread soon, without waiting for it."""
        with self._news:
            self._closed = True
            self._news.notify()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            codec, picture = job
            started = time.perf_counter()
            try:
                frames = self._context(codec).decode(av.Packet(picture.data))
            except av.FFmpegError as error:
                logger.debug("a published picture can't be decoded: %s", error)
                self._tell(self._failed)
                continue
            for frame in frames:
                self._tell(self._decoded, frame, picture, time.perf_counter() - started)

    def _next(self) -> tuple[str, CodedPicture] | None:
        with self._news:
            self._news.wait_for(lambda: self._closed or self._waiting)
            return None if self._closed else self._waiting.popleft()

    def _context(self, codec: str) -> VideoCodecContext:
        if self._codec is None or self._codec[0] != codec:
            made = av.CodecContext.create(codec, "r")
            assert isinstance(made, VideoCodecContext)
            made.thread_type = "SLICE"  # threads by frame would hold pictures back
            made.flags |= av.codec.context.Flags.low_delay
            self._codec = (codec, made)
        return self._codec[1]

    def _tell(self, call: Callable[..., None], *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)
