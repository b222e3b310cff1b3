"""All sizes of one image laid out on a single canvas, so that the proposal network runs once a frame.

Ten small inferences spend more time on being started than on arithmetic; one canvas costs a tenth more pixels. Windows
that straddle two levels are masked out, and levels start at even pixels, so that every window's pooling grid is that of
a level on its own and the result is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from routing.networks import PNET_CELL, PNET_STRIDE

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Level:
    """One size of the image: its place on the canvas, and source pixels per canvas pixel along each axis."""

    x: int
    y: int
    width: int
    height: int
    scale_x: float
    scale_y: float


@dataclass(frozen=True)
class Canvas:
    """Where each level lies. `levels` run from the largest to the smallest and are never empty."""

    levels: tuple[Level, ...]
    width: int
    height: int

    @cached_property
    def pixels(self) -> Image:
        """The canvas itself, (1, height, width, 3), written anew for every frame."""
        return np.zeros((1, self.height, self.width, 3), np.uint8)

    @cached_property
    def windows(self) -> npt.NDArray[np.int32]:
        """For every output of the proposal network, row by row, the level that its window lies in, or -1."""
        rows, columns = windows_along(self.height), windows_along(self.width)
        owner = np.full((rows, columns), -1, np.int32)
        for index, level in enumerate(self.levels):
            row, column = level.y // PNET_STRIDE, level.x // PNET_STRIDE
            owner[row : row + windows_along(level.height), column : column + windows_along(level.width)] = index
        return owner

    @cached_property
    def geometry(self) -> npt.NDArray[np.float32]:
        """(levels, 4): x, y, scale_x and scale_y of each level."""
        return np.array([(v.x, v.y, v.scale_x, v.scale_y) for v in self.levels], np.float32)

    def draw(self, image: Image) -> Image:
        """Fills the canvas with `image` at every size, each made from the one before, and returns it."""
        source = image
        for level in self.levels:
            target = self.pixels[0, level.y : level.y + level.height, level.x : level.x + level.width]
            source = _shrink(source, level.width, level.height)
            target[:] = source
        return self.pixels


def windows_along(pixels: int) -> int:
    """How many windows of the proposal network fit in `pixels`."""
    return max(0, (pixels - PNET_CELL) // PNET_STRIDE + 1)


def plan(width: int, height: int, *, cell_px: float, step: float) -> Canvas | None:
    """The canvas for images of `width` x `height` whose smallest faces fill a square of `cell_px`.

    Sizes fall by the factor `step`. None where the image is smaller than one window at the first size.
    """
    sizes: list[tuple[int, int]] = []
    scale = PNET_CELL / cell_px
    while min(width, height) * scale >= PNET_CELL:
        sizes.append((round(width * scale), round(height * scale)))
        scale *= step
    if not sizes:
        return None
    places, canvas_height = _pack(sizes)
    levels = tuple(Level(x, y, w, h, width / w, height / h) for (x, y), (w, h) in zip(places, sizes, strict=True))
    return Canvas(levels, _even(sizes[0][0]), canvas_height)


def _pack(sizes: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], int]:
    """Places for rectangles of falling size under one another, the small ones in the gaps; and the height used."""
    canvas_width, canvas_height = _even(sizes[0][0]), 0
    places: list[tuple[int, int]] = []
    free: list[tuple[int, int, int, int]] = []
    for width, height in ((_even(w), _even(h)) for w, h in sizes):
        gap = next((g for g in free if g[2] >= width and g[3] >= height), None)
        if gap is None:
            gap = (0, canvas_height, canvas_width, height)
            canvas_height += height
        else:
            free.remove(gap)
        x, y, gap_width, gap_height = gap
        places.append((x, y))
        free += [(x + width, y, gap_width - width, gap_height), (x, y + height, width, gap_height - height)]
    return places, canvas_height


def _even(pixels: int) -> int:
    return pixels + pixels % 2


def _shrink(image: Image, width: int, height: int) -> Image:
    """Bilinear; from more than twice the size, halved by averaging first, so that little aliases."""
    while image.shape[1] >= 2 * width and image.shape[0] >= 2 * height:
        image = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA).astype(
            np.uint8, copy=False
        )
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
