"""One method on one group of faces: the means of its measurements."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from experts.quality.measure import FIGURES, Figures, Measurement
from experts.quality.methods import BICUBIC
from experts.quality.sample import Group

CLASSES = ((50, 100), (100, 150))
"""Widths of faces in source pixels, from and below: those of the transformer's lane and of the frequency expert's."""


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

    @property
    def is_bicubic(self) -> bool:
        return self.method == BICUBIC


def rows_of(measurements: Iterable[Measurement]) -> list[Row]:
    """The measurements by group and method, in the order in which they first came."""
    cells: dict[tuple[Group, str], list[Measurement]] = {}
    for each in measurements:
        cells.setdefault((each.group, each.method), []).append(each)
    ordered = sorted(cells, key=lambda cell: list(dict.fromkeys(group for group, _ in cells)).index(cell[0]))
    return [_row(group, method, cells[group, method]) for group, method in ordered]


def by_class(measurements: Iterable[Measurement]) -> list[Row]:
    """The same by `CLASSES` of widths, sharp and soft together."""
    return rows_of(each._replace(group=_classed(each.group)) for each in measurements)


def _classed(group: Group) -> Group:
    wide = next(bounds for bounds in CLASSES if bounds[0] <= group.band[0] and group.band[1] <= bounds[1])
    return Group(group.source, wide, "all")


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
