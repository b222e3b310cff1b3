"""How near to the truth: one number from 0, crisp, to 1, faithful.

A faithful set of weights is as near to the true face as can be, and so on the safe, soft side; a crisp one, fine-tuned
from it with losses that ask for detail (see `experts.training`), dares more. Weights on the line between the two make
networks between the two, at the cost of one (network interpolation: Wang et al. 2018, ESRGAN, sec. 3.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from weights.session import Interpolation, Weights

T = TypeVar("T")

FAITHFUL = 1.0
DEFAULT = 0.5


@dataclass(frozen=True, slots=True)
class Pair(Generic[T]):
    """An expert's two sets of weights, by their ids or as files."""

    faithful: T
    crisp: T

    def needed(self, fidelity: float) -> tuple[T, ...]:
        """Those that have a share in the result, the faithful one first."""
        shares = ((self.faithful, fidelity), (self.crisp, 1.0 - fidelity))
        return tuple(weights for weights, share in shares if share > 0.0)


def mixed(files: Sequence[Path], fidelity: float) -> Weights:
    """The weights of that fidelity, of the files that `Pair.needed` names for it; one file is taken as it is."""
    if len(files) == 1:
        return files[0]
    faithful, crisp = files
    return Interpolation(faithful, crisp, share=1.0 - fidelity)


def told(names: Sequence[str], fidelity: float) -> str:
    """The same for a report to say."""
    return names[0] if len(names) == 1 else f"{' + '.join(names)}, fidelity {fidelity:g}"
