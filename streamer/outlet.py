"""Where the processed frames of one job go: one film, or three for comparison."""

from __future__ import annotations

from pathlib import Path

from streamer.media.compare import ComparisonSink
from streamer.media.sink import FileSink
from streamer.pipeline import Processed


class FileOutlet:
    """A `stream.Outlet` that makes files: the result alone, or with `ComparisonSink` the three films.

    `notes` and `frames`, the number of those encoded, are complete after `finish`.
    """

    def __init__(self, sink: FileSink | ComparisonSink) -> None:
        self._sink = sink

    @property
    def paths(self) -> tuple[Path, ...]:
        return self._sink.paths if isinstance(self._sink, ComparisonSink) else (self._sink.path,)

    @property
    def notes(self) -> tuple[str, ...]:
        return self._sink.notes

    @property
    def frames(self) -> int:
        return self._sink.frames

    @property
    def encoder(self) -> str:
        """What encodes the result; empty before the first frame."""
        return self._sink.encoder

    def disclose(self, what: str) -> None:
        """What enhanced films are to say of themselves; before the first frame."""
        self._sink.disclose(what)

    async def send(self, processed: Processed) -> None:
        """Raises ValueError where a comparison lacks the baseline: the pipeline is made with `keep_baseline` then."""
        if isinstance(self._sink, FileSink):
            await self._sink.send(processed.frame)
        elif processed.baseline is not None:
            await self._sink.send(processed.baseline, processed.frame)
        else:
            raise ValueError("a comparison needs the baseline: make the pipeline with keep_baseline=True")

    async def finish(self) -> None:
        await self._sink.finish()

    async def aclose(self) -> None:
        await self._sink.aclose()
