"""Finds cuts between scenes."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

THUMBNAIL = (32, 18)
GRID = (128, 72)


class SceneCut:
    """Says of each image whether a new scene begins with it.

    Two images are compared as thumbnails of their green channel, the mean absolute difference against a bound, and against
    the differences of the images before: a cut stands out from its own scene, where a fast pan or a flicker does not.
    """

    def __init__(self, *, difference: float = 14.0, ratio: float = 4.0) -> None:
        self._difference = difference
        self._ratio = ratio
        self._last: npt.NDArray[np.float32] | None = None
        self._usual = 0.0

    def reset(self) -> None:
        self._last, self._usual = None, 0.0

    def is_cut(self, image: Image) -> bool:
        """False for the first image. `image`: (H, W, 3) uint8 RGB, always of the same size."""
        thumbnail = _thumbnail(image)
        last, self._last = self._last, thumbnail
        if last is None:
            return False
        change = float(np.abs(thumbnail - last).mean())
        cut = change > max(self._difference, self._ratio * self._usual)
        self._usual = 0.0 if cut else 0.7 * self._usual + 0.3 * change
        return cut


def _thumbnail(image: Image) -> npt.NDArray[np.float32]:
    """Averaged from a sparse grid of pixels: reading all of them would take longer than the rest of the work."""
    step_y, step_x = max(1, image.shape[0] // GRID[1]), max(1, image.shape[1] // GRID[0])
    sparse = np.ascontiguousarray(image[::step_y, ::step_x, 1])
    return cv2.resize(sparse, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
