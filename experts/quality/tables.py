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
_BESIDE = {"psnr": "dB +", "ssim": "SSIM +", "identity": "identity +"}
"""Gains that stand beside a method's own figures; only they compare where a method saw fewer faces."""
_DIGITS = {"psnr": 2, "flicker": 2, "ms": 1, "high_frequencies": 2}

Table = list[list[str]]


def details(rows: Sequence[Row], absent: Sequence[Absent]) -> Table:
    """Every group and method: its own figures, then what it adds to bicubic on the same faces, then the lanes taken.
    What no row measured has no column; absent methods have a row."""
    shown = _measured(rows)
    beside = [name for name in _BESIDE if name in shown]
    columns = [*(COLUMNS[name] for name in shown), *(_BESIDE[name] for name in beside)]
    table = [["width px", "sharpness", "method", "faces", *columns, "lanes taken"]]
    most = {group: max(row.faces for row in rows if row.group == group) for group in {row.group for row in rows}}
    for row in rows:
        faces = str(row.faces) if row.faces == most[row.group] else f"{row.faces} of {most[row.group]}"
        figures = [_told(name, getattr(row.own, name)) for name in shown]
        gained = [_added(row, name) for name in beside]
        table.append([row.group.width, row.group.sharpness, row.method, faces, *figures, *gained, _lanes(row)])
    table += [["all", "all", method.name, "absent", *["-"] * len(columns), ""] for method in absent]
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
    own = getattr(row.own, name)
    return _told(name, own) if name in ABSOLUTE or row.is_bicubic else _added(row, name)


def _added(row: Row, name: str) -> str:
    own, bicubic = getattr(row.own, name), getattr(row.bicubic, name)
    return "-" if own is None else _signed(name, own - bicubic)


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
    if value is None:
        return "-"
    # Hundreds of milliseconds have no tenths worth reading.
    return f"{value:.{0 if name == 'ms' and value >= 100 else _DIGITS.get(name, 3)}f}"


def _signed(name: str, value: float) -> str:
    return f"{value:+.{_DIGITS.get(name, 3)}f}"
