"""Where the processed frames of one job go: one film, or three for comparison, with or without an overlay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from streamer.media.compare import ComparisonSink
from streamer.media.encoders import EncodeSettings
from streamer.media.info import SourceInfo
from streamer.media.overlay import draw_overlay
from streamer.media.sink import FileSink
from streamer.pipeline import Processed

OnEncoded = Callable[[float], None]
"""Told the seconds that encoding and writing one frame took, on an encoder's thread."""


class FileOutlet(Protocol):
    """A `stream.Outlet` that makes files. `notes` is complete after `finish`."""

    @property
    def paths(self) -> tuple[Path, ...]: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    async def send(self, processed: Processed) -> None: ...

    async def finish(self) -> None: ...

    async def aclose(self) -> None: ...


class FilmOutlet:
    """One film: the result."""

    def __init__(
        self, path: Path, info: SourceInfo, settings: EncodeSettings, *, overwrite: bool, on_encoded: OnEncoded
    ) -> None:
        self._sink = FileSink(path, info, settings, overwrite=overwrite, on_encoded=on_encoded)

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self._sink.path,)

    @property
    def notes(self) -> tuple[str, ...]:
        return self._sink.notes

    async def send(self, processed: Processed) -> None:
        await self._sink.send(processed.frame)

    async def finish(self) -> None:
        await self._sink.finish()

    async def aclose(self) -> None:
        await self._sink.aclose()


class ComparisonOutlet:
    """Three films: the result, the source only scaled, and both side by side."""

    def __init__(
        self, path: Path, info: SourceInfo, settings: EncodeSettings, *, overwrite: bool, on_encoded: OnEncoded
    ) -> None:
        self._sink = ComparisonSink(path, info, settings, overwrite=overwrite, on_encoded=on_encoded)

    @property
    def paths(self) -> tuple[Path, ...]:
        return self._sink.paths

    @property
    def notes(self) -> tuple[str, ...]:
        return self._sink.notes

    async def send(self, processed: Processed) -> None:
        if processed.baseline is None:
            raise ValueError("a comparison needs the baseline: make the pipeline with keep_baseline=True")
        await self._sink.send(processed.baseline, processed.frame)

    async def finish(self) -> None:
        await self._sink.finish()

    async def aclose(self) -> None:
        await self._sink.aclose()


class OverlayOutlet:
    """Draws what the router saw over the result, then hands it on."""

    def __init__(self, outlet: FileOutlet, *, scale: int) -> None:
        self._outlet = outlet
        self._scale = scale

    @property
    def paths(self) -> tuple[Path, ...]:
        return self._outlet.paths

    @property
    def notes(self) -> tuple[str, ...]:
        return self._outlet.notes

    async def send(self, processed: Processed) -> None:
        drawn = draw_overlay(processed.frame, processed.report.routes, scale=self._scale)
        await self._outlet.send(Processed(drawn, processed.baseline, processed.report))

    async def finish(self) -> None:
        await self._outlet.finish()

    async def aclose(self) -> None:
        await self._outlet.aclose()
