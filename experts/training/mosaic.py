"""Clips that show many faces side by side, so that one run of the encoder serves them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from experts.contract import Image
from experts.training.codec import through
from experts.training.degradation import DegradationSettings
from experts.training.degrade import Tile, draw_codec, tile
from experts.training.photos import Photo
from experts.training.specks import lose

COLUMNS, ROWS = 5, 4
_ROUNDS = 6
"""Clips whose faces' widths are sorted together, so that those of one clip are alike."""


def casts(
    photos: Sequence[Photo], settings: DegradationSettings, random: np.random.Generator
) -> Iterator[tuple[list[Photo], list[float]]]:
    """Clip by clip, whose faces it shows and how wide."""
    count = COLUMNS * ROWS
    while True:
        widths = np.sort(_widths(settings, _ROUNDS * count, random)).reshape(_ROUNDS, count)
        for row in random.permutation(_ROUNDS):
            yield [photos[i] for i in random.integers(len(photos), size=count)], widths[row].tolist()


def _widths(settings: DegradationSettings, count: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    bands = settings.widths
    shares = np.array([band.share for band in bands])
    chosen = random.choice(len(bands), size=count, p=shares / shares.sum())
    low, high = np.array([b.low for b in bands])[chosen], np.array([b.high for b in bands])[chosen]
    return np.asarray(low + (high - low) * random.random(count))


def show(
    photos: Sequence[Photo],
    widths: Sequence[float],
    settings: DegradationSettings,
    taken: Sequence[int],
    *,
    finest: float,
    random: np.random.Generator,
) -> Iterator[tuple[Tile, list[Image]]]:
    """Every face and what a viewer sees of it in the frames `taken`, all from one clip that ends with the last."""
    side, length = 16 * int(np.ceil(2.0 * max(widths) / 16)), taken[-1] + 1
    tiles = [
        tile(photo, width, side=side, length=length, settings=settings, random=random, finest=finest)
        for photo, width in zip(photos, widths, strict=True)
    ]
    frames = _mosaic(tiles, side)
    codec = draw_codec(settings, random, used=taken)
    seen = frames if codec is None else through(codec, frames)
    for place, face in enumerate(tiles):
        own = [np.ascontiguousarray(seen[t][_area(place, side)]) for t in taken]
        yield face, lose(own, face.width, settings, random)


def _mosaic(tiles: Sequence[Tile], side: int) -> list[Image]:
    rows = -(-len(tiles) // COLUMNS)
    columns = min(len(tiles), COLUMNS)
    frames = np.zeros((len(tiles[0].frames), rows * side, columns * side, 3), np.uint8)
    for place, face in enumerate(tiles):
        down, across = _area(place, side)
        frames[:, down, across] = face.frames
    return list(frames)


def _area(place: int, side: int) -> tuple[slice, slice]:
    """Where a face's tile lies in the mosaic: its rows, its columns."""
    y, x = side * (place // COLUMNS), side * (place % COLUMNS)
    return slice(y, y + side), slice(x, x + side)
