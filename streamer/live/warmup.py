"""What the first live frames would otherwise have to wait for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from experts.contract import Expert

BATCHES = (1, 2, 3, 4)
"""How many faces of a lane a live frame has, mostly."""


class Preparing(Protocol):
    """Something with networks in it, such as a detector."""

    def prepare(self) -> None: ...


def batches_of(expert: Expert) -> Sequence[int]:
    """The sizes of batches that it is worth to compute once beforehand: larger ones are parted."""
    most = expert.info.most_at_once
    return [size for size in BATCHES if not most or size <= most]


def warm_up(experts: Iterable[Expert], *others: Preparing, batches: Sequence[int] | None = None) -> None:
    """Has every expert restore black crops in batches of these sizes, or of those that live frames mostly have. To be
    called on the thread that will compute: networks keep something for each.

    Raises ExpertError where an expert can't work at all.
    """
    for other in others:
        other.prepare()
    for expert in experts:
        side = expert.info.input_size
        for size in batches_of(expert) if batches is None else batches:
            expert.restore(np.zeros((size, side, side, 3), np.uint8))
