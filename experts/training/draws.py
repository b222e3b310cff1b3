"""Strengths drawn from ranges."""

from __future__ import annotations

import numpy as np

from experts.training.degradation import Range


def between(bounds: Range, random: np.random.Generator) -> float:
    return float(random.uniform(*bounds))


def maybe(share: float, bounds: Range, random: np.random.Generator) -> float | None:
    """A strength from its range, or None where the step is left out; always two draws, so that seeds stay in step."""
    strength, chance = between(bounds, random), random.random()
    return strength if chance < share else None
