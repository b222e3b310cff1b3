"""Quality against time, drawn by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from experts.contract import ExpertError
from experts.quality.row import Row
from experts.quality.tables import ABSOLUTE

PANELS = {
    "psnr": "PSNR over bicubic, dB",
    "ssim": "SSIM over bicubic",
    "haarpsi": "HaarPSI over bicubic",
    "identity": "identity over bicubic",
    "high_frequencies": "high frequencies over the truth's",
    "flicker": "flicker over bicubic (less is better)",
}
_MARKERS = "osD^vP*X<>"


def draw(rows: Sequence[Row], source: str) -> bytes:
    """A PNG: for each class of widths a block of panels, one for each figure; in them a point for each method.

    Differences are to bicubic on the same faces, so that methods that saw few compare. Raises ExpertError without
    matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ExpertError("plots need the package matplotlib: install Facelane as '.[bench]'") from error
    mine = [row for row in rows if row.group.source == source]
    widths = sorted({row.group.width for row in mine}, key=lambda width: int(width.split("-")[0]))
    names = list(dict.fromkeys(row.method for row in mine))
    panels = [name for name in PANELS if any(getattr(row.own, name) is not None for row in mine)]
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(5.2 * columns, 3.4 * lines * len(widths) + 1.0), layout="constrained")
    figure.suptitle(f"{source.capitalize()}: quality against time")
    blocks = figure.subfigures(len(widths), 1, squeeze=False)[:, 0]
    for width, block in zip(widths, blocks, strict=True):
        block.suptitle(f"faces of {width} px", fontsize=11, fontweight="bold")
        there = [row for row in mine if row.group.width == width]
        for place, name in enumerate(panels):
            _panel(block.add_subplot(lines, columns, place + 1), there, name, names)
    handles = {line.get_label(): line for block in blocks for line in block.axes[0].lines[1:]}
    figure.legend(
        [handles[name] for name in names if name in handles],
        [name for name in names if name in handles],
        loc="outside lower center",
        ncols=min(5, len(names)),
        fontsize=9,
    )
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()


def _panel(axes: Any, rows: Sequence[Row], name: str, methods: Sequence[str]) -> None:
    axes.axhline(1.0 if name in ABSOLUTE else 0.0, color="grey", linewidth=0.8)
    for row in rows:
        own, bicubic = getattr(row.own, name), getattr(row.bicubic, name)
        if own is not None:
            number = methods.index(row.method)
            value = own if name in ABSOLUTE else own - bicubic
            axes.plot(row.own.ms, value, _MARKERS[number % len(_MARKERS)], color=f"C{number % 10}", label=row.method)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("ms a face", fontsize=9)
    axes.set_title(PANELS[name], fontsize=10)
    axes.margins(0.12)
    axes.grid(True, alpha=0.3)
