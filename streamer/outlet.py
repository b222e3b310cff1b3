"""Where the processed frames of one job go: one film, or three for comparison, with or without an overlay."""

from __future__ import annotations

from pathlib import Path

from streamer.media.compare import ComparisonSink
from streamer.media.overlay import draw_overlay
from streamer.media.sink import FileSink
from streamer.pipeline import Processed


class FileOutlet:
    """A `stream.Outlet` that makes files: the result alone, or with `ComparisonSink` the three films.

    `overlay_scale`: draw what the router saw, at so many pixels of output for one of source; None draws nothing.
    `notes` is complete after `finish`.
    """

    def __init__(self, sink: FileSink | ComparisonSink, *, overlay_scale: int | None = None) -> None:
        self._sink = sink
        self._overlay_scale = overlay_scale

    @property
    def paths(self) -> tuple[Path, ...]:
        return self._sink.paths if isinstance(self._sink, ComparisonSink) else (self._sink.path,)

    @property
    def notes(self) -> tuple[str, ...]:
        return self._sink.notes

    async def send(self, processed: Processed) -> None:
        """Raises ValueError where a comparison lacks the baseline: the pipeline is made with `keep_baseline` then."""
        frame = processed.frame
        if self._overlay_scale is not None:
            frame = draw_overlay(frame, processed.report.routes, scale=self._overlay_scale)
        if isinstance(self._sink, FileSink):
            await self._sink.send(frame)
        elif processed.baseline is not None:
            await self._sink.send(processed.baseline, frame)
        else:
            raise ValueError("a comparison needs the baseline: make the pipeline with keep_baseline=True")

    async def finish(self) -> None:
        await self._sink.finish()

    async def aclose(self) -> None:
        await self._sink.aclose()
