"""The asyncio part around the pipeline: frames from a source, through the pipeline's thread, to the outlet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from streamer.aio import Worker
from streamer.errors import FacelaneError, ProcessingError
from streamer.frame import Frame
from streamer.media.ports import EndOfStream, FrameSource
from streamer.pipeline import Processed


class Way(Protocol):
    """The way of one frame; `Pipeline` is the one in use."""

    def process(self, frame: Frame) -> Processed: ...


class Outlet(Protocol):
    """Where processed frames go: one or several sinks that are made final together."""

    async def send(self, processed: Processed) -> None: ...

    async def finish(self) -> None: ...


Observer = Callable[[Processed, float], None]
"""Told of every frame, with the seconds for which it lay ready while the way's thread was idle."""


class Stream:
    """A source, a way, an outlet, and the policy of a file: every frame, in order, however long it takes.

    Source and outlet have threads of their own with bounded queues, so decoding of later frames, computing of this
    one and encoding of earlier ones overlap, and the slowest of the three sets the pace. The way's thread has its next
    frame before it is done with one. Whoever made source, outlet and worker closes them.
    """

    def __init__(self, source: FrameSource, way: Way, outlet: Outlet, worker: Worker, *, observe: Observer) -> None:
        self._source = source
        self._way = way
        self._outlet = outlet
        self._worker = worker
        self._observe = observe
        self._idle_since = 0.0

    async def run(self) -> None:
        """Runs to the end of the source and makes the outlet's result final.

        Raises ProcessingError, with the frame's number, for whatever the way didn't foresee; what source and outlet
        raise, as it is.
        """
        ahead: asyncio.Task[_Handed] | None = None
        try:
            while (frame := await self._next()) is not None:
                this, ahead = ahead, asyncio.create_task(self._worker.run(self._process, frame, time.perf_counter()))
                if this is not None:
                    await self._deliver(await this)
            if ahead is not None:
                await self._deliver(await ahead)
        finally:
            if ahead is not None:
                ahead.cancel()
                # Whatever becomes of it, the error that ended the run is the one to tell.
                await asyncio.gather(ahead, return_exceptions=True)
        await self._outlet.finish()

    async def _next(self) -> Frame | None:
        try:
            return await self._source.recv()
        except EndOfStream:
            return None

    async def _deliver(self, handed: _Handed) -> None:
        await self._outlet.send(handed.processed)
        self._observe(handed.processed, handed.waited_seconds)

    def _process(self, frame: Frame, ready_at: float) -> _Handed:
        """On the way's thread."""
        waited = time.perf_counter() - max(ready_at, self._idle_since)
        try:
            return _Handed(self._way.process(frame), waited)
        except FacelaneError:
            raise
        except Exception as error:
            raise ProcessingError(f"frame {frame.seq} can't be processed: {_first_line(error)}") from error
        finally:
            self._idle_since = time.perf_counter()


class _Handed(NamedTuple):
    processed: Processed
    waited_seconds: float


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
