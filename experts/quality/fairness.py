"""What a method gains over bicubic for one group of people, beside the others.

A person's value is the mean over their samples, and people are what is drawn again and again: photographs of one person
are no independent evidence (percentile bootstrap; Efron and Tibshirani 1993: An Introduction to the Bootstrap, ch. 13).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from experts.quality.measure import Measurement

CLEAR = {"psnr": 0.1, "ssim": 0.005, "identity": 0.01}
"""How much less a group gains before it is told as worse: under it nobody sees it, however sure it is."""
GAINS = tuple(CLEAR)
FEWEST = 5
"""People of a group, and of the others, under whom no interval is given: so few say nothing of a group."""
_ROUNDS = 4000
_TAILS = (2.5, 97.5)

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with the bounds of its 95 % confidence interval; None for too few people."""

    mean: float
    low: float | None
    high: float | None

    @property
    def is_below_zero(self) -> bool:
        return self.high is not None and self.high < 0.0


@dataclass(frozen=True, slots=True)
class Gain:
    """`own`: the mean over a group's people of a figure's gain over bicubic. `beside`: that less the other groups'."""

    own: Interval
    beside: Interval


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One method on one group: `kind` is what they are grouped by, `group` which they are. `gains`: of `GAINS`, those
    that were measured."""

    source: str
    kind: str
    group: str
    method: str
    people: int
    faces: int
    gains: Mapping[str, Gain]

    @property
    def worse(self) -> dict[str, float]:
        """The figures by which the group gains clearly less than the others, chance aside, and by how much."""
        return {
            name: gain.beside.mean
            for name, gain in self.gains.items()
            if gain.beside.is_below_zero and gain.beside.mean <= -CLEAR[name]
        }


def group_rows(measurements: Sequence[Measurement], widths: Mapping[str, tuple[int, int]]) -> list[GroupRow]:
    """Every group of every kind of which there are two or more, for each method of `widths`, which says from and below
    which face width its lane is meant for."""
    rows = [
        row
        for source in dict.fromkeys(each.group.source for each in measurements)
        for method, (low, high) in widths.items()
        for row in _of_method(
            source,
            method,
            [
                each
                for each in measurements
                if (each.group.source, each.method) == (source, method)
                and low <= each.group.band[0]
                and each.group.band[1] <= high
            ],
        )
    ]
    kinds = list(dict.fromkeys(row.kind for row in rows))
    return sorted(rows, key=lambda row: (kinds.index(row.kind), row.group))


def _of_method(source: str, method: str, mine: Sequence[Measurement]) -> Iterator[GroupRow]:
    for kind in dict.fromkeys(kind for each in mine for kind in each.subject.groups):
        groups = sorted({each.subject.groups[kind] for each in mine if kind in each.subject.groups})
        if len(groups) < 2:
            continue
        for group in groups:
            inside = [each for each in mine if each.subject.groups.get(kind) == group]
            outside = [each for each in mine if each.subject.groups.get(kind, group) != group]
            people = len({each.subject.person for each in inside})
            yield GroupRow(source, kind, group, method, people, len(inside), _gains(inside, outside))


def _gains(inside: Sequence[Measurement], outside: Sequence[Measurement]) -> dict[str, Gain]:
    found = {}
    for name in GAINS:
        ours, theirs = _by_person(inside, name), _by_person(outside, name)
        if len(ours) and len(theirs):
            found[name] = Gain(interval(ours), beside(ours, theirs))
    return found


def _by_person(measurements: Sequence[Measurement], name: str) -> Values:
    people: dict[str, list[float]] = {}
    for each in measurements:
        own, bicubic = getattr(each.own, name), getattr(each.bicubic, name)
        if own is not None:
            people.setdefault(each.subject.person, []).append(own - bicubic)
    return np.array([statistics.fmean(gains) for gains in people.values()])


def interval(values: Values) -> Interval:
    """Of the mean of (N,) values, one a person; N is 1 or more."""
    return _interval(float(values.mean()), None if len(values) < FEWEST else _drawn(values, 1))


def beside(ours: Values, theirs: Values) -> Interval:
    """Of the mean of (N,) values less that of (M,) others."""
    few = min(len(ours), len(theirs)) < FEWEST
    return _interval(float(ours.mean() - theirs.mean()), None if few else _drawn(ours, 1) - _drawn(theirs, 2))


def _interval(mean: float, drawn: Values | None) -> Interval:
    if drawn is None:
        return Interval(mean, None, None)
    low, high = np.percentile(drawn, _TAILS)
    return Interval(mean, float(low), float(high))


def _drawn(values: Values, seed: int) -> Values:
    """The means of as many values, drawn with replacement, time after time."""
    chosen = np.random.default_rng(seed).integers(0, len(values), (_ROUNDS, len(values)))
    return np.asarray(values[chosen].mean(axis=1))
