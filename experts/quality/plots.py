"""Quality against time, drawn by matplotlib."""

from __future__ import annotations

import io
import statistics
from collections.abc import Sequence

from experts.contract import ExpertError
from experts.quality.report import Row

PANELS = {
    "psnr": "PSNR over bicubic, dB",
    "ssim": "SSIM over bicubic",
    "haarpsi": "HaarPSI over bicubic",
    "identity": "identity over bicubic",
    "high_frequencies": "high frequencies over the truth's",
    "flicker": "flicker over bicubic (less is better)",
}
_ABSOLUTE = "high_frequencies"


def draw(rows: Sequence[Row], source: str) -> bytes:
    """A PNG: a panel for each figure, a point for each method, its mean over the groups.

    Differences are to bicubic on the same faces, so that methods that saw few compare. Raises ExpertError without
    matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ExpertError("plots need the package matplotlib: install Facelane as '.[bench]'") from error
    mine = [row for row in rows if row.group.source == source]
    names = list(dict.fromkeys(row.method for row in mine))
    panels = [name for name in PANELS if any(getattr(row.own, name) is not None for row in mine)]
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(5.2 * columns, 3.9 * lines + 0.9), layout="constrained")
    figure.suptitle(f"{source.capitalize()}: quality against time, means over all widths")
    for place, name in enumerate(panels):
        axes = figure.add_subplot(lines, columns, place + 1)
        axes.set_xscale("log")
        axes.set_xlabel("ms a face")
        axes.set_title(PANELS[name], fontsize=10)
        axes.grid(True, alpha=0.3)
        axes.axhline(1.0 if name == _ABSOLUTE else 0.0, color="grey", linewidth=0.8)
        for number, method in enumerate(names):
            point = _point([row for row in mine if row.method == method], name)
            if point is not None:
                marker = "osD^vP*X"[number % 8]
                axes.plot(*point, marker, color=f"C{number}", markersize=8, label=method if place == 0 else None)
    figure.legend(loc="outside lower center", ncols=min(4, len(names)), fontsize=9)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()


def _point(rows: Sequence[Row], name: str) -> tuple[float, float] | None:
    values = []
    for row in rows:
        own, bicubic = getattr(row.own, name), getattr(row.bicubic, name)
        if own is not None:
            values.append(own if name == _ABSOLUTE else own - bicubic)
    return (statistics.fmean(row.own.ms for row in rows), statistics.fmean(values)) if values else None
