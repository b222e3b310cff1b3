"""The asyncio part around the pipeline: frames from a source, through the pipeline's thread, to the outlet."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

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
"""Told of every frame, with the seconds that handing it from thread to thread and telling of the last one took."""


class Stream:
    """A source, a way, an outlet, and the policy of a file: every frame, in order, however long it takes.

    Source and outlet have threads of their own with bounded queues, so decoding of later frames, computing of this
    one and encoding of earlier ones overlap, and the slowest of the three sets the pace. Whoever made them closes them.
    """

    def __init__(self, source: FrameSource, way: Way, outlet: Outlet, worker: Worker, *, observe: Observer) -> None:
        self._source = source
        self._way = way
        self._outlet = outlet
        self._worker = worker
        self._observe = observe

    async def run(self) -> None:
        """Runs to the end of the source and makes the outlet's result final.

        Raises ProcessingError, with the frame's number, for whatever the way didn't foresee; what source and outlet
        raise, as it is.
        """
        observing = 0.0
        while True:
            try:
                frame = await self._source.recv()
            except EndOfStream:
                break
            started = time.perf_counter()
            processed = await self._worker.run(self._process, frame)
            elapsed = time.perf_counter() - started
            await self._outlet.send(processed)
            started = time.perf_counter()
            handing = max(elapsed - sum(processed.report.stage_seconds.values()), 0.0)
            self._observe(processed, handing + observing)
            observing = time.perf_counter() - started
        await self._outlet.finish()

    def _process(self, frame: Frame) -> Processed:
        try:
            return self._way.process(frame)
        except FacelaneError:
            raise
        except Exception as error:
            raise ProcessingError(f"frame {frame.seq} can't be processed: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
