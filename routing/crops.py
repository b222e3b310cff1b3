"""Squares cut out of a picture, for networks that look at one face at a time."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from routing.suppression import Boxes

Image = npt.NDArray[np.uint8]
Squares = npt.NDArray[np.int32]
"""(N, 3): left, top and side in whole source pixels; may reach beyond the image."""

# What lies outside the image is the grey that normalises to nothing, as when MTCNN's networks were trained.
OUTSIDE = (127, 127, 127)


def squares_about(boxes: Boxes, *, times: float = 1.0) -> Squares:
    """The square about each box's centre, `times` as long as the box's longer side; of even numbers, so that it can be
    halved."""
    longer = times * (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    sides = 2.0 * np.maximum(np.rint(longer / 2.0), 1.0)
    corners = 2.0 * np.rint((boxes[:, :2] + boxes[:, 2:] - sides[:, None]) / 4.0)
    return np.concatenate([corners, sides[:, None]], axis=1).astype(np.int32)


def crops_of(image: Image, squares: Squares, size: int) -> Image:
    """(N, size, size, 3): what lies in each square."""
    crops = np.empty((len(squares), size, size, 3), np.uint8)
    for crop, (x, y, side) in zip(crops, squares.tolist(), strict=True):
        interpolation = cv2.INTER_AREA if side > 2 * size else cv2.INTER_LINEAR
        cv2.resize(_cut(image, x, y, side), (size, size), dst=crop, interpolation=interpolation)
    return crops


def _cut(image: Image, x: int, y: int, side: int) -> Image:
    height, width = image.shape[:2]
    left, top = max(-x, 0), max(-y, 0)
    right, bottom = max(x + side - width, 0), max(y + side - height, 0)
    inside = image[max(y, 0) : max(y + side - bottom, 0), max(x, 0) : max(x + side - right, 0)]
    if not (left or top or right or bottom):
        return inside
    if not inside.size:
        return np.full((1, 1, 3), OUTSIDE, np.uint8)
    return cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_CONSTANT, value=OUTSIDE).astype(
        np.uint8, copy=False
    )
