"""Checks that every settings class of this room makes of its values."""

from __future__ import annotations

import math


def require_positive(**values: float) -> None:
    """Raises ValueError for the first value that is not a finite number above 0."""
    for key, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{key} = {value!r}: a number above 0 is wanted")


def require_between(low: float, high: float, **values: float) -> None:
    """Raises ValueError for the first value outside `low` to `high`, both included."""
    for key, value in values.items():
        if not low <= value <= high:
            raise ValueError(f"{key} = {value!r}: a number from {low:g} to {high:g} is wanted")


def require_not_negative(**values: float) -> None:
    """Raises ValueError for the first value that is not a finite number of 0 or more."""
    for key, value in values.items():
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{key} = {value!r}: a number of 0 or more is wanted")
