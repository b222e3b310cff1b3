"""Figures as tables of text, the head first: for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from experts.quality.fairness import GAINS, Gain, GroupRow, Interval
from experts.quality.measure import FIGURES
from experts.quality.methods import Absent
from experts.quality.row import Row

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
ABSOLUTE = ("high_frequencies", "ms")
"""What stands for itself, and is not told as a gain over bicubic."""
_DIGITS = {"psnr": 2, "flicker": 2, "ms": 1, "high_frequencies": 2}

Table = list[list[str]]


def details(rows: Sequence[Row], absent: Sequence[Absent]) -> Table:
    """Every group and method. What no row measured has no column; absent methods have a row."""
    shown = _measured(rows)
    table = [["width px", "sharpness", "method", "faces", *(COLUMNS[name] for name in shown), "lanes taken"]]
    for row in rows:
        figures = [_told(name, getattr(row.own, name)) for name in shown]
        table.append([row.group.width, row.group.sharpness, row.method, str(row.faces), *figures, _lanes(row)])
    table += [["all", "all", method.name, "absent", *["-"] * len(shown), ""] for method in absent]
    return table


def gains(rows: Sequence[Row]) -> Table:
    """What each method adds to bicubic on the same faces; bicubic's own figures in its row."""
    shown = _measured(rows)
    table = [["width px", "method", "faces", *(COLUMNS[name] for name in shown)]]
    for row in rows:
        table.append([row.group.width, row.method, str(row.faces), *(_gained(row, name) for name in shown)])
    return table


def groups(rows: Sequence[GroupRow]) -> Table:
    """What the experts add to bicubic for each group of people."""
    shown = [name for name in GAINS if any(name in row.gains for row in rows)]
    table = [["by", "group", "people", "faces", "method", *(f"{COLUMNS[name]} [95 %]" for name in shown), "worse by"]]
    for row in rows:
        told = [_interval(name, row.gains.get(name)) for name in shown]
        worse = ", ".join(f"{COLUMNS[name]} {_signed(name, by)}" for name, by in row.worse.items())
        table.append([row.kind, row.group, str(row.people), str(row.faces), row.method, *told, worse or _nothing(row)])
    return table


def markdown(table: Sequence[Sequence[str]]) -> str:
    """The same with its columns padded, so that it reads as text, too."""
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in table]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _measured(rows: Sequence[Row]) -> list[str]:
    return [name for name in FIGURES if any(getattr(row.own, name) is not None for row in rows)]


def _gained(row: Row, name: str) -> str:
    own, bicubic = getattr(row.own, name), getattr(row.bicubic, name)
    if own is None or name in ABSOLUTE or row.is_bicubic:
        return _told(name, own)
    return _signed(name, own - bicubic)


def _interval(name: str, gain: Gain | None) -> str:
    if gain is None:
        return "-"
    own: Interval = gain.own
    if own.low is None or own.high is None:
        return _signed(name, own.mean)
    return f"{_signed(name, own.mean)} [{_signed(name, own.low)}, {_signed(name, own.high)}]"


def _nothing(row: GroupRow) -> str:
    """Nothing was found, or nothing could be."""
    judged = all(gain.beside.low is not None for gain in row.gains.values())
    return "-" if judged else "too few people"


def _lanes(row: Row) -> str:
    total = sum(row.lanes.values())
    return ", ".join(f"{lane} {100 * n / total:.0f} %" for lane, n in sorted(row.lanes.items()))


def _told(name: str, value: float | None) -> str:
    return "-" if value is None else f"{value:.{_DIGITS.get(name, 3)}f}"


def _signed(name: str, value: float) -> str:
    return f"{value:+.{_DIGITS.get(name, 3)}f}"
