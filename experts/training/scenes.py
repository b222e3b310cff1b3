"""Pairs for the background: squares of whole photographs, luma alone, through the same lens, camera and
codec as the faces, but cut out as they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from blending.align import compose, crop, scaling
from experts.contract import Image
from experts.training.codec import through
from experts.training.degrade import Tile, draw_codec, tile
from experts.training.lettering import Written, write
from experts.training.pairs import COLUMNS, LENGTH, ROWS, TAKEN, Pair
from experts.training.photos import Photo
from experts.training.settings import DegradationSettings

WRITTEN_SHARE = 0.2
"""How many squares have writing on them."""
_NARROW = np.rint(16.0 + np.arange(256) * (219.0 / 255.0)).astype(np.uint8)
_REACH = 0.58
"""How far about its middle a square shows the photograph, over its side: half of that, tilted and moved."""


def draw(
    photos: Sequence[Photo], settings: DegradationSettings, *, size: int, scale: int, random: np.random.Generator
) -> Iterator[Pair]:
    """Pairs without end: `low` (size, size, 1) and `high` (size * scale, size * scale, 1) uint8; the same for the same
    `random`. The settings' widths say how wide the photograph's face would be in the small picture."""
    while True:
        chosen = [photos[i] for i in random.integers(len(photos), size=COLUMNS * ROWS)]
        tiles = [_square(photo, settings, size=size, scale=scale, random=random) for photo in chosen]
        rows = [
            np.concatenate([t.frames for t in tiles[i : i + COLUMNS]], axis=2) for i in range(0, len(tiles), COLUMNS)
        ]
        frames = list(np.concatenate(rows, axis=1))
        codec = draw_codec(settings, random)
        seen = frames if codec is None else through(codec, frames)
        for place, square in enumerate(tiles):
            y, x = size * (place // COLUMNS), size * (place % COLUMNS)
            for t in TAKEN:
                yield _pair(square, t, seen[t][y : y + size, x : x + size], scale=scale)


def _square(photo: Photo, settings: DegradationSettings, *, size: int, scale: int, random: np.random.Generator) -> Tile:
    """A square of `size` px of the photograph, with or without writing; never so large that the truth is enlarged."""
    bands = settings.widths
    shares = np.array([band.share for band in bands])
    band = bands[int(random.choice(len(bands), p=shares / shares.sum()))]
    width = min(float(random.uniform(band.low, band.high)), photo.width / scale)
    unit, picture = photo.width / width, photo.read()
    if random.random() < WRITTEN_SHARE:
        picture = write(picture, unit, random)
    middle = _within(picture.shape[1::-1], _REACH * size * unit, random)
    landmarks = photo.landmarks + (middle - photo.landmarks.mean(axis=0))
    elsewhere = Written(photo.path, photo.width, landmarks, picture=picture)
    return tile(elsewhere, width, side=size, length=LENGTH, settings=settings, random=random)


def _within(size: tuple[int, ...], reach: float, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """A point no nearer than `reach` to the border, where the picture is large enough; else the middle of that side."""
    sides = np.array(size, np.float64) - 1
    near = np.minimum(reach, sides / 2)
    return np.asarray(random.uniform(near, sides - near))


def _pair(square: Tile, t: int, seen: Image, *, scale: int) -> Pair:
    size = seen.shape[0]
    high = crop(square.photo, compose(scaling(scale), square.from_photo[t]), size * scale)
    return Pair(_luma(seen), _luma(high), square.width)


def _luma(image: Image) -> Image:
    """(H, W, 1), by BT.601 as the pictures that come out of the codec, and in the narrow range of nearly all video:
    what the upscaler gets is a frame's own plane."""
    wide = np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), np.uint8)
    return np.asarray(cv2.LUT(wide, _NARROW), np.uint8)[..., None]
