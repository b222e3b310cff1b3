"""The asyncio part around the pipeline: frames from a source, through the pipeline's thread, to the sinks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from streamer.aio import Worker
from streamer.frame import Frame
from streamer.media.ports import EndOfStream, FrameSource
from streamer.pipeline import Processed


class Way(Protocol):
    """The way of one frame; `Pipeline` is the one in use."""

    def process(self, frame: Frame) -> Processed: ...


class Outlet(Protocol):
    """Where processed frames go: one or several sinks that are made final or dropped together."""

    async def send(self, processed: Processed) -> None: ...

    async def finish(self) -> None: ...

    async def aclose(self) -> None: ...


Observer = Callable[[Processed], None]


class Stream:
    """A source, a way, an outlet, and the policy of a file: every frame, in order, however long it takes.

    Source and outlet have threads of their own with bounded queues, so decoding of later frames, computing of this
    one and encoding of earlier ones overlap, and the slowest of the three sets the pace.
    """

    def __init__(self, source: FrameSource, way: Way, outlet: Outlet, *, observe: Observer) -> None:
        self._source = source
        self._way = way
        self._outlet = outlet
        self._observe = observe
        self._worker = Worker("pipeline")

    async def run(self) -> None:
        """Runs to the end of the source and makes the outlet's result final; on any error or cancellation the outlet
        leaves nothing behind."""
        try:
            await self._pump()
            await self._outlet.finish()
        finally:
            await self._worker.aclose()
            await self._source.aclose()
            await self._outlet.aclose()

    async def _pump(self) -> None:
        while True:
            try:
                frame = await self._source.recv()
            except EndOfStream:
                return
            processed = await self._worker.run(self._way.process, frame)
            await self._outlet.send(processed)
            self._observe(processed)
