"""Pairs for the background: squares of whole photographs, luma alone, through the same lens, camera and
codec as the faces, but cut out as they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np

from blending.align import compose, crop, scaling
from experts.contract import Image
from experts.training.codec import through
from experts.training.degrade import Tile, draw_codec, tile
from experts.training.pairs import COLUMNS, LENGTH, ROWS, TAKEN, Pair
from experts.training.photos import Photo
from experts.training.settings import DegradationSettings


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
    """A square of `size` px around any place of the photograph, never so large that the truth is enlarged."""
    bands = settings.widths
    shares = np.array([band.share for band in bands])
    band = bands[int(random.choice(len(bands), p=shares / shares.sum()))]
    width = min(float(random.uniform(band.low, band.high)), photo.width / scale)
    height, width_px = photo.read().shape[:2]
    away = random.uniform(0.0, 1.0, 2) * (width_px - 1, height - 1) - photo.landmarks.mean(axis=0)
    elsewhere = replace(photo, landmarks=photo.landmarks + away)
    return tile(elsewhere, width, side=size, length=LENGTH, settings=settings, random=random)


def _pair(square: Tile, t: int, seen: Image, *, scale: int) -> Pair:
    size = seen.shape[0]
    high = crop(square.photo, compose(scaling(scale), square.from_photo[t]), size * scale)
    return Pair(_luma(seen), _luma(high), square.width)


def _luma(image: Image) -> Image:
    """(H, W, 1), by BT.601 as the pictures that come out of the codec."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), np.uint8)[..., None]
