"""The file sink: frames in, a film with all that its source had beside the pictures out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from streamer.errors import SinkError
from streamer.frame import Frame
from streamer.media.choosing import check_fits
from streamer.media.containers import Container, container_of, muxer_options
from streamer.media.demux import file_url
from streamer.media.encoders import EncodeSettings
from streamer.media.info import SourceInfo
from streamer.media.mux import StreamCopier
from streamer.media.ports import ignore
from streamer.media.target import Target, writing
from streamer.media.video_track import VideoTrack

logger = logging.getLogger(__name__)

# Frames that may wait for the encoder: enough to ride out a key frame, few enough for 4K in memory.
_QUEUE_FRAMES = 4


class FileWriter:
    """Writes one film, on whatever thread calls it, one call at a time.

    The target appears at `publish` and not before; `abort` leaves nothing behind. `notes`: what could not be kept as it
    was, one line each. The whole of the source's clock is kept: pts out equal pts in as far as the container can.
    """

    def __init__(
        self,
        path: Path,
        info: SourceInfo,
        settings: EncodeSettings,
        *,
        overwrite: bool,
        copy_streams: bool = True,
    ) -> None:
        """Check everything that can be checked before the first frame.

        Raises UsageError where codec and container don't go together; SinkError, OutputExistsError, DiskFullError where
        `path` can't be written.
        """
        self._container = container_of(path)
        check_fits(settings, self._container)
        self._info = info
        self._settings = settings
        self._copy_streams = copy_streams
        self._disclosure = ""
        self._film: _Film | None = None
        self._complete = False
        self._target = Target(path, source=info.path, overwrite=overwrite)

    @property
    def path(self) -> Path:
        return self._target.path

    @property
    def notes(self) -> tuple[str, ...]:
        return () if self._film is None else self._film.notes

    @property
    def encoder(self) -> str:
        """What encodes the pictures; empty before the first frame."""
        return "" if self._film is None else self._film.encoder

    def disclose(self, what: str) -> None:
        """What the film is to say of itself among its tags; before the first frame."""
        self._disclosure = what

    def write(self, frame: Frame) -> None:
        """Encode one frame, and write what is due of the other streams.

        Raises DiskFullError or SinkError; the film can then only be aborted.
        """
        with writing(self.path):
            if self._film is None:
                self._film = _Film(
                    self._target.part,
                    frame,
                    self._info,
                    self._settings,
                    self._container,
                    copy_streams=self._copy_streams,
                    disclosure=self._disclosure,
                )
            self._film.write(frame)

    def complete(self) -> None:
        """Write all that is left. The film is whole then, under its passing name."""
        if self._film is None:
            raise SinkError(f"{self.path} was not written: not one frame came")
        with writing(self.path):
            self._film.close()
        self._complete = True

    def publish(self) -> None:
        """Give the whole film its name."""
        if not self._complete:
            raise SinkError(f"{self.path} is not whole: complete it first")
        self._target.publish()

    def abort(self) -> None:
        """Drop what is not published; may be called at any time, and twice."""
        if self._film is not None:
            self._film.drop()
        self._target.discard()


class _Film:
    """An open output container with its tracks."""

    def __init__(
        self,
        part: Path,
        first: Frame,
        info: SourceInfo,
        settings: EncodeSettings,
        container: Container,
        *,
        copy_streams: bool,
        disclosure: str,
    ) -> None:
        options = muxer_options(container, first.time_base, faststart=settings.faststart)
        self._output: OutputContainer = av.open(file_url(part), "w", format=container.muxer, container_options=options)
        self._copier = StreamCopier(info, self._output, container=container, unsupported=settings.unsupported)
        for stream in self._copier.streams:
            if stream.index == info.video_index:
                self._video = VideoTrack(
                    self._output, first, settings=settings, container=container, rate=info.rate, sar=info.sar
                )
            elif copy_streams:
                self._copier.add(stream)
        self._copier.tags(self._video.stream, disclosure=disclosure)
        self._output.start_encoding()

    @property
    def notes(self) -> tuple[str, ...]:
        moved = self._video.moved
        late = [f"{moved} frames had times that did not rise: each came one tick after the one before"] if moved else []
        return (*self._video.notes, *self._copier.notes, *late)

    @property
    def encoder(self) -> str:
        return self._video.encoder

    def write(self, frame: Frame) -> None:
        self._mux(self._video.encode(frame))

    def close(self) -> None:
        self._mux(self._video.flush())
        self._copier.finish()
        self._copier.close()
        self._output.close()

    def drop(self) -> None:
        """Close without minding what the disk says."""
        self._copier.close()
        try:
            self._output.close()
        except (OSError, av.FFmpegError) as error:
            logger.debug("while dropping an unfinished film: %s", error)

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            if packet.dts is not None:
                self._copier.advance(packet.dts * packet.time_base)
            self._output.mux_one(packet)


class FileSink:
    """A `FrameSink` that writes a film: a `FileWriter` on a thread of its own, with a short queue before it."""

    def __init__(
        self,
        path: Path,
        info: SourceInfo,
        settings: EncodeSettings,
        *,
        overwrite: bool,
        copy_streams: bool = True,
        on_encoded: Callable[[float], None] = ignore,
    ) -> None:
        """`on_encoded` is told the seconds that each frame took to be made, encoded and written, on the sink's thread.

        Raises what `FileWriter` raises.
        """
        self._on_encoded = on_encoded
        self._frames = 0
        self._writer = FileWriter(path, info, settings, overwrite=overwrite, copy_streams=copy_streams)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"encode-{path.name}")
        self._queue: deque[Future[None]] = deque()
        self._closed = False

    @property
    def path(self) -> Path:
        return self._writer.path

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be kept as it was; complete after `finish`."""
        return self._writer.notes

    @property
    def frames(self) -> int:
        """Frames encoded so far."""
        return self._frames

    @property
    def encoder(self) -> str:
        """What encodes the pictures; empty before the first frame."""
        return self._writer.encoder

    def disclose(self, what: str) -> None:
        """As `FileWriter.disclose`."""
        self._writer.disclose(what)

    async def send(self, frame: Frame) -> None:
        """Queue a frame; wait while the queue is full. Raises what writing an earlier frame raised."""
        await self.send_made(lambda: frame)

    async def send_made(self, make: Callable[[], Frame]) -> None:
        """As `send`, of a frame that is made on the sink's thread."""
        while self._queue and (len(self._queue) >= _QUEUE_FRAMES or self._queue[0].done()):
            await _result(self._queue.popleft())
        self._queue.append(self._thread.submit(self._write, make))

    def _write(self, make: Callable[[], Frame]) -> None:
        started = time.perf_counter()
        self._writer.write(make())
        self._frames += 1
        self._on_encoded(time.perf_counter() - started)

    async def finish(self) -> None:
        """Write the rest and give the film its name."""
        await self.complete()
        await self.publish()

    async def complete(self) -> None:
        """The first half of `finish`: the film is whole, but not under its name yet."""
        while self._queue:
            await _result(self._queue.popleft())
        await _result(self._thread.submit(self._writer.complete))

    async def publish(self) -> None:
        """The second half of `finish`."""
        await _result(self._thread.submit(self._writer.publish))

    async def aclose(self) -> None:
        """Drop what is not published, after the frame that is being written, and let the thread go."""
        await asyncio.to_thread(self.discard)

    def discard(self) -> None:
        """As `aclose`, without a loop; waits for the frame that is being written."""
        if self._closed:
            return
        self._closed = True
        for waiting in self._queue:
            waiting.cancel()
        self._queue.clear()
        self._thread.shutdown(wait=True)
        self._writer.abort()


async def _result(future: Future[None]) -> None:
    """Wait for the thread. Cancelling the wait does not cancel the work: no frame is lost to an impatient caller."""
    if future.done():
        future.result()
    else:
        await asyncio.shield(asyncio.wrap_future(future))
