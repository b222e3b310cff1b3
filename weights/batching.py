"""Batches for a card: few sizes, so that whatever is made ready for a size is made ready once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from weights.runtime import Array

MOST_AT_ONCE = 64
"""Items of a network that are computed in one go; more come in parts."""
WARM = (1, 2, 4)
"""The sizes that are worth to be met before the first frame: those of the faces that one mostly has."""


def padded_size(count: int) -> int:
    """The next power of two: a runtime makes its plans, and its room, anew for every size that it meets."""
    return 1 << max(count - 1, 0).bit_length()


def parts_of(array: Array) -> Iterator[Array]:
    """In parts of `MOST_AT_ONCE` at most; at least one, be it empty."""
    for start in range(0, max(len(array), 1), MOST_AT_ONCE):
        yield array[start : start + MOST_AT_ONCE]


def fill(part: Array, padded: Array) -> None:
    """Writes a part's items into the beginning of a larger array, and nothing into the rest."""
    padded[: len(part)] = part
    padded[len(part) :] = 0


def joined(parts: list[tuple[Array, ...]]) -> tuple[Array, ...]:
    """The outputs of parts, one behind the other."""
    return parts[0] if len(parts) == 1 else tuple(np.concatenate(outputs) for outputs in zip(*parts, strict=True))
