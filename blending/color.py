"""Colour match: the patch takes its light from the picture that it is laid on.

What a restorer adds is detail; where its broad light and colour depart from the source they make a seam or a tint.
So the low frequencies of the difference are taken away: light that varies over the face stays as the source has it.
The estimate is a normalised convolution (Knutsson and Westin 1993) of the present content: no state that could pump.
"""

from __future__ import annotations

import cv2
import numpy as np

from blending.patch import Planes

_CELLS = 16
"""Cells along a side of the grid on which the low frequencies are held: a face is about ten of them wide."""


def low_frequencies(difference: Planes, weight: Planes) -> Planes:
    """The broad part of `difference` (h, w) or (h, w, 3), averaged under `weight` (h, w); same shape."""
    height, width = weight.shape
    grid = min(_CELLS, width), min(_CELLS, height)
    mass, mean = _cells(weight, grid), _cells(difference, grid)
    total = _blur(mean * _against(mass, mean))
    # The floor lets the estimate fade to 0 far from the face, where nothing is known and nothing is taken.
    smooth = total / (_against(_blur(mass), total) + np.float32(1e-3))
    # Bicubic to a grid fine enough that the kinks of the last, bilinear step do not show; all in one would cost 7
    # times more.
    fine = cv2.resize(smooth, (min(width, 4 * grid[0]), min(height, 4 * grid[1])), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.resize(fine, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _blur(planes: Planes) -> Planes:
    return np.asarray(cv2.GaussianBlur(planes, (5, 5), 1.0, borderType=cv2.BORDER_REPLICATE), np.float32)


def _cells(planes: Planes, grid: tuple[int, int]) -> Planes:
    return np.asarray(cv2.resize(planes, grid, interpolation=cv2.INTER_AREA), np.float32)


def _against(plane: Planes, planes: Planes) -> Planes:
    return plane if planes.ndim == 2 else plane[..., None]
