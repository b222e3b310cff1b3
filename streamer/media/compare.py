"""Before and after: two pictures beside each other, and the sink that writes them along with the film itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from streamer.errors import FacelaneError
from streamer.frame import Frame, Plane
from streamer.media.caption import plate, stamp, yuv_of
from streamer.media.encoders import EncodeSettings
from streamer.media.info import SourceInfo
from streamer.media.ports import ignore
from streamer.media.sink import FileSink

_BEFORE = "original, scaled"
_AFTER = "Facelane"
_WHITE = (255, 255, 255)
_BLACK = (0, 0, 0)


def side_by_side(before: Frame, after: Frame) -> Frame:
    """Two pictures of one moment in one frame, a thin white line between them, a label in each; `after` gives the time.

    Raises ValueError where they differ in size or in what their colours mean.
    """
    if before.y.shape != after.y.shape or before.color != after.color:
        raise ValueError(f"only frames of one size and colour go beside each other, not {before} and {after}")
    white, black = yuv_of(_WHITE, after.color), yuv_of(_BLACK, after.color)
    line = max(2, after.height // 180 // 2 * 2)
    # The right picture begins at an even column, as its chroma has half the columns.
    start = after.width + after.width % 2 + line
    y = _beside(before.y, after.y, start, white.y)
    u = _beside(before.u, after.u, start // 2, white.u)
    v = _beside(before.v, after.v, start // 2, white.v)
    height = max(16, after.height // 20 // 2 * 2)
    for text, x in ((_BEFORE, height // 2), (_AFTER, start + height // 2)):
        stamp((y, u, v), plate(text, height, white, black), x, height // 2)
    return replace(after, y=y, u=u, v=v)


def _beside(left: Plane, right: Plane, start: int, line: int) -> Plane:
    height, width = right.shape
    both = np.empty((height, start + width), np.uint8)
    both[:, :width] = left
    both[:, width:start] = line
    both[:, start:] = right
    return both


class ComparisonSink:
    """Writes three films in one pass: NAME with the result, NAME.baseline with the source scaled only, and
    NAME.side-by-side with both; each with sound and all else that a `FileSink` carries.

    They are whole before any of them gets its name.
    """

    def __init__(
        self,
        path: Path,
        info: SourceInfo,
        settings: EncodeSettings,
        *,
        overwrite: bool,
        on_encoded: Callable[[float], None] = ignore,
    ) -> None:
        """`on_encoded` is told the seconds for each frame of each film, on three threads.

        Raises what `FileSink` raises, for any of the three; nothing is left behind then.
        """
        made: list[FileSink] = []
        try:
            for name in (path, named(path, "baseline"), named(path, "side-by-side")):
                made.append(FileSink(name, info, settings, overwrite=overwrite, on_encoded=on_encoded))
        except FacelaneError:
            for sink in made:
                sink.discard()
            raise
        self._sinks = tuple(made)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The result, the baseline, and both."""
        return tuple(sink.path for sink in self._sinks)

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be kept as it was in the result; the others are written alike."""
        return self._sinks[0].notes

    @property
    def frames(self) -> int:
        """Frames encoded so far, of the result."""
        return self._sinks[0].frames

    @property
    def encoder(self) -> str:
        """What encodes the result; the others may differ where a card doesn't take their size."""
        return self._sinks[0].encoder

    def disclose(self, what: str) -> None:
        """As `FileSink.disclose`, for the films that show the result."""
        output, _, both = self._sinks
        output.disclose(what)
        both.disclose(what)

    async def send(self, baseline: Frame, result: Frame) -> None:
        """Queue one moment's two pictures. Raises what writing an earlier one raised."""
        output, before, both = self._sinks
        await output.send(result)
        await before.send(baseline)
        await both.send_made(partial(side_by_side, baseline, result))

    async def finish(self) -> None:
        """Write the rest of all three, then give them their names."""
        await asyncio.gather(*(sink.complete() for sink in self._sinks))
        for sink in self._sinks:
            await sink.publish()

    async def aclose(self) -> None:
        """Drop what is not published."""
        await asyncio.gather(*(sink.aclose() for sink in self._sinks))

    def discard(self) -> None:
        """As `aclose`, without a loop."""
        for sink in self._sinks:
            sink.discard()


def named(path: Path, what: str) -> Path:
    """`film.mp4` and "baseline" make `film.baseline.mp4`."""
    return path.with_name(f"{path.stem}.{what}{path.suffix}")
