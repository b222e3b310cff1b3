"""Pairs to learn from: the aligned crop that inference would see, and the one that it should give.

Faces are laid side by side into one clip, so that one run of the encoder serves many; each is then cropped out of
decoded frames exactly as the pipeline crops, with the landmarks as unsure as a detector's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blending.align import compose, crop, scaling, similarity
from experts.contract import Image
from experts.training.codec import through
from experts.training.degrade import Tile, draw_codec, tile
from experts.training.photos import Photo
from experts.training.settings import DegradationSettings

COLUMNS, ROWS = 5, 4
LENGTH = 6
TAKEN = (2, 5)
"""Which decoded frames are used: in the middle of a group of pictures, where a stream spends its time."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """`low` (S, S, 3) and `high` (S * scale, S * scale, 3) uint8 RGB of the same square of the scene.

    `width`: of the face in source pixels.
    """

    low: Image
    high: Image
    width: float


def draw(
    photos: Sequence[Photo], settings: DegradationSettings, *, size: int, scale: int, random: np.random.Generator
) -> Iterator[Pair]:
    """Pairs without end; the same for the same `random`."""
    count = COLUMNS * ROWS
    while True:
        widths = np.sort(_widths(settings, 6 * count, random)).reshape(6, count)
        for row in random.permutation(6):
            chosen = [photos[i] for i in random.integers(len(photos), size=count)]
            yield from clip(chosen, widths[row].tolist(), settings, size=size, scale=scale, random=random)


def clip(
    photos: Sequence[Photo],
    widths: Sequence[float],
    settings: DegradationSettings,
    *,
    size: int,
    scale: int,
    random: np.random.Generator,
) -> Iterator[Pair]:
    """Two pairs of every photograph, at most COLUMNS * ROWS of them, all from one clip. `widths`: one a photograph."""
    side = 16 * int(np.ceil(2.0 * max(widths) / 16))
    tiles = [
        tile(photo, width, side=side, length=LENGTH, settings=settings, random=random)
        for photo, width in zip(photos, widths, strict=True)
    ]
    frames = _mosaic(tiles, side)
    codec = draw_codec(settings, random)
    seen = frames if codec is None else through(codec, frames)
    for place, face in enumerate(tiles):
        for t in TAKEN:
            yield _pair(face, t, seen[t][_area(place, side)], settings, size=size, scale=scale, random=random)


def _widths(settings: DegradationSettings, count: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    bands = settings.widths
    shares = np.array([band.share for band in bands])
    chosen = random.choice(len(bands), size=count, p=shares / shares.sum())
    low, high = np.array([b.low for b in bands])[chosen], np.array([b.high for b in bands])[chosen]
    return np.asarray(low + (high - low) * random.random(count))


def _mosaic(tiles: Sequence[Tile], side: int) -> list[Image]:
    rows = -(-len(tiles) // COLUMNS)
    columns = min(len(tiles), COLUMNS)
    frames = np.zeros((LENGTH, rows * side, columns * side, 3), np.uint8)
    for place, face in enumerate(tiles):
        down, across = _area(place, side)
        frames[:, down, across] = face.frames
    return list(frames)


def _area(place: int, side: int) -> tuple[slice, slice]:
    """Where a face's tile lies in the mosaic: its rows, its columns."""
    y, x = side * (place // COLUMNS), side * (place % COLUMNS)
    return slice(y, y + side), slice(x, x + side)


def _pair(
    face: Tile,
    t: int,
    seen: Image,
    settings: DegradationSettings,
    *,
    size: int,
    scale: int,
    random: np.random.Generator,
) -> Pair:
    exact = face.landmarks @ face.from_photo[t][:, :2].T + face.from_photo[t][:, 2]
    measured = exact + random.normal(0.0, settings.landmark_noise * face.width, exact.shape)
    to_crop = similarity(measured, size)
    to_target = compose(scaling(scale), compose(to_crop, face.from_photo[t]))
    return Pair(crop(np.ascontiguousarray(seen), to_crop, size), crop(face.photo, to_target, size * scale), face.width)
