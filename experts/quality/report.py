"""Measurements as a table for people and as figures for programs."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from experts.quality.measure import FIGURES, Figures, Measurement
from experts.quality.methods import Absent
from experts.quality.sample import Group

COLUMNS = {
    "psnr": "PSNR dB",
    "ssim": "SSIM",
    "haarpsi": "HaarPSI",
    "lpips": "LPIPS",
    "identity": "identity",
    "high_frequencies": "high freq.",
    "flicker": "flicker",
    "ms": "ms a face",
}
_DIGITS = {"psnr": 2, "flicker": 2, "ms": 1, "high_frequencies": 2}


@dataclass(frozen=True, slots=True)
class Row:
    """One method on one group: means over its `faces` (`ms`: the median), and bicubic's on the same faces. `lanes`: how
    often each lane was taken, for the method that takes them."""

    group: Group
    method: str
    faces: int
    own: Figures
    bicubic: Figures
    lanes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """`settings`: how the samples were made; `notes`: what was left out, and why."""

    rows: Sequence[Row]
    absent: Sequence[Absent]
    notes: Sequence[str]
    settings: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {
            "settings": self.settings,
            "notes": list(self.notes),
            "absent": [asdict(method) for method in self.absent],
            "rows": [asdict(row) for row in self.rows],
        }

    def to_markdown(self) -> str:
        """Tables, one for each source of samples, with what they mean."""
        sources = dict.fromkeys(row.group.source for row in self.rows)
        parts = ["# Quality of restored faces", _LEGEND, *(self._section(source) for source in sources)]
        if self.absent:
            parts += ["## Absent", "\n".join(f"- {method.name}: {method.reason}" for method in self.absent)]
        if self.notes:
            parts += ["## Notes", "\n".join(f"- {note}" for note in self.notes)]
        return "\n\n".join(parts) + "\n"

    def _section(self, source: str) -> str:
        return f"## {source.capitalize()}\n\n{_markdown(self.table(source))}"

    def table(self, source: str) -> list[list[str]]:
        """Cells as text, the head first. What no row measured has no column; absent methods have a row."""
        rows = [row for row in self.rows if row.group.source == source]
        shown = [name for name in FIGURES if any(getattr(row.own, name) is not None for row in rows)]
        head = [
            "width",
            "sharpness",
            "method",
            "faces",
            *(COLUMNS[name] for name in shown),
            "over bicubic, dB",
            "lanes",
        ]
        lines = [head]
        for row in rows:
            figures = [_told(name, getattr(row.own, name)) for name in shown]
            gain = f"{row.own.psnr - row.bicubic.psnr:+.2f}"
            lines.append(
                [row.group.width, row.group.sharpness, row.method, str(row.faces), *figures, gain, _lanes(row)]
            )
        for method in self.absent:
            lines.append(["all", "all", method.name, "absent", *["-"] * (len(shown) + 1), ""])
        return lines


_LEGEND = """Every method makes the spoiled picture twice as wide and high; measured is the face alone, against the \
photograph or the clip as it was. PSNR, SSIM and HaarPSI on luma (BT.601); identity: cosine of a face network's \
embeddings; high freq.: power between 1/4 and 3/4 of Nyquist's frequency over the truth's; flicker: mean difference of \
the temporal differences, in levels of 255; ms a face: the method's own median, without cutting out and laying on. \
Heavy methods see fewer faces; "over bicubic" compares on the same ones."""


def rows_of(measurements: Iterable[Measurement]) -> list[Row]:
    """The measurements by group and method, in the order in which they first came."""
    cells: dict[tuple[Group, str], list[Measurement]] = {}
    for each in measurements:
        cells.setdefault((each.group, each.method), []).append(each)
    ordered = sorted(cells, key=lambda cell: list(dict.fromkeys(group for group, _ in cells)).index(cell[0]))
    return [_row(group, method, cells[group, method]) for group, method in ordered]


def _row(group: Group, method: str, cell: Sequence[Measurement]) -> Row:
    own, bicubic = _mean([each.own for each in cell]), _mean([each.bicubic for each in cell])
    lanes = Counter(lane for each in cell for lane in each.lanes)
    return Row(group, method, len(cell), own, bicubic, dict(lanes))


def _mean(figures: Sequence[Figures]) -> Figures:
    means = {name: _mean_of([getattr(each, name) for each in figures]) for name in FIGURES}
    return Figures(**(means | {"ms": statistics.median(each.ms for each in figures)}))  # type: ignore[arg-type]


def _mean_of(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return statistics.fmean(there) if there else None


def _lanes(row: Row) -> str:
    total = sum(row.lanes.values())
    return ", ".join(f"{lane} {100 * n / total:.0f} %" for lane, n in sorted(row.lanes.items()))


def _told(name: str, value: float | None) -> str:
    return "-" if value is None else f"{value:.{_DIGITS.get(name, 3)}f}"


def _markdown(table: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in table]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
