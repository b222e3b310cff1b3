"""What `facelane probe` tells of a film: its streams, and the faces in a sample of its frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from routing.router import Routing
from routing.types import Lane, Route
from streamer.color import detection_rgb
from streamer.frame import Frame, Plane
from streamer.media.info import SourceInfo, StreamInfo

WIDTH_BOUNDS = (0, 25, 50, 75, 100, 125, 150, 200, 300, 100_000)
BAR_CELLS = 30
A_MOMENT = 0.04


class StillRouter(Protocol):
    """A router that can start afresh at every frame."""

    def reset(self) -> None: ...

    def route(self, image: Plane, *, seconds: float) -> Routing: ...


@dataclass(frozen=True, slots=True)
class Survey:
    """The faces of a sample of frames."""

    frames: int
    routes: tuple[Route, ...]

    @property
    def widths(self) -> list[float]:
        return [route.traits.width_px for route in self.routes]

    @property
    def sharpness(self) -> list[float]:
        return [route.traits.sharpness for route in self.routes]

    @property
    def lanes(self) -> Counter[Lane]:
        return Counter(route.lane for route in self.routes)


def survey(frames: Iterable[Frame], router: StillRouter) -> Survey:
    """Detects and gates every frame by itself, as if it stood still for a moment."""
    count = 0
    routes: list[Route] = []
    for frame in frames:
        router.reset()
        image = detection_rgb(frame.planes)
        # A face of middling score counts when it is seen twice, as it would be in the film.
        router.route(image, seconds=0.0)
        routes.extend(route for route in router.route(image, seconds=A_MOMENT).routes if not route.fading)
        count += 1
    return Survey(count, tuple(routes))


def print_survey(info: SourceInfo, found: Survey, console: Console) -> None:
    console.print(_picture_table(info))
    console.print(_stream_table(info.streams, info.video_index))
    console.print(
        Text.assemble("\n", ("Faces", "bold"), f" {len(found.routes)} in a sample of {found.frames} frame(s)")
    )
    if not found.routes:
        return
    console.print(_histogram("Width in pixels", found.widths, WIDTH_BOUNDS))
    console.print(_histogram("Sharpness (variance of the Laplacian)", found.sharpness, _bounds(found.sharpness)))
    console.print(_lane_table(found))


def _plain_table(title: str, *columns: str) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0),
        show_header=bool(columns),
    )  # fmt: skip
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table


def _picture_table(info: SourceInfo) -> Table:
    table = _plain_table(info.path.name)
    table.add_row("container", info.container)
    table.add_row("picture", f"{info.width}x{info.height}, {info.codec}, {info.pix_fmt}{_extras(info)}")
    table.add_row("rate", "not stated" if info.rate is None else f"{float(info.rate):.3f} fps on average")
    duration = info.duration_seconds
    table.add_row("length", "not stated" if duration is None else f"{float(duration):.2f} s")
    table.add_row("frames", "not stated" if info.frame_count is None else str(info.frame_count))
    turned = f"{info.rotation} degrees clockwise" if info.rotation else "none"
    table.add_row("rotation", turned + (", mirrored" if info.mirrored else ""))
    stated = "" if info.color.space != 2 else " (by the picture's size; the file doesn't say)"
    span = "full" if info.color.full_range else "limited"
    table.add_row("colour", f"{info.color.matrix}{stated}, {span} range")
    return table


def _extras(info: SourceInfo) -> str:
    extras = [
        "interlaced" if info.interlaced else "",
        f"{info.hdr} (tone-mapped)" if info.hdr else "",
        "" if info.sar == 1 else f"pixels {info.sar.numerator}:{info.sar.denominator}",
    ]
    return "".join(f", {extra}" for extra in extras if extra)


def _stream_table(streams: Sequence[StreamInfo], video_index: int) -> Table:
    table = _plain_table("\nStreams", "no.", "kind", "codec", "language", "")
    for stream in streams:
        note = "this one is processed" if stream.index == video_index else ""
        note = "cover picture" if stream.attached_picture else note
        table.add_row(str(stream.index), stream.kind, stream.codec or "unknown", stream.language or "", note)
    return table


def _bounds(values: Sequence[float]) -> Sequence[float]:
    """Eight bins on a logarithmic scale: sharpness spans decades."""
    low, high = max(min(values), 0.1), max(*values, 1.0)
    return [float(bound) for bound in np.geomspace(low * 0.999, max(high, low * 2) * 1.001, 9)]


def _histogram(title: str, values: Sequence[float], bounds: Sequence[float]) -> Table:
    counts, _ = np.histogram(np.clip(values, bounds[0], bounds[-1]), bins=list(bounds))
    table = _plain_table("\n" + title, "from", "to", "faces", "")
    peak = max(int(counts.max()), 1)
    for low, high, count in zip(bounds[:-1], bounds[1:], counts, strict=True):
        upper = "" if high >= WIDTH_BOUNDS[-1] else f"{high:.4g}"
        table.add_row(f"{low:.4g}", upper, str(count), "█" * round(BAR_CELLS * int(count) / peak))
    return table


def _lane_table(found: Survey) -> Table:
    table = _plain_table("\nLanes", "lane", "faces", "share")
    for lane in Lane:
        count = found.lanes[lane]
        table.add_row(lane.value, str(count), f"{100 * count / len(found.routes):.0f} %")
    return table
