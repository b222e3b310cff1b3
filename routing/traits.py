"""What the gate decides by: a face's width, and how sharp it is."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from routing.types import Box, Traits

Image = npt.NDArray[np.uint8]

SHARPNESS_SIZE = 96
"""Side in pixels at which sharpness is measured. Faces that the gate asks about (100 px wide and more) are averaged
down to it, so that the number means the same for all of them; narrower faces are enlarged and measure softer than they
are, which the gate never asks about. Close to their own size, since what is lost by blur lies in the finest detail:
64 px tells sharp portraits from those out of focus rightly for 80 %, 96 px for 86 %."""
SEEN_SHARE = 0.5
SETTLE_SECONDS = 0.25


def sharpness(image: Image, box: Box, landmarks: npt.NDArray[np.float32]) -> float:
    """Variance of the Laplacian of the luma of a face, resampled to `SHARPNESS_SIZE`.

    `image`: (H, W, 3) uint8 RGB. Measured in the square about the landmarks' mean that is as wide as the face: brows to
    chin, little hair and background. 0 where less than half of it along either axis is inside the image: too little to
    call anything sharp. (J. L. Pech-Pacheco et al.: Diatom Autofocusing in Brightfield Microscopy, ICPR 2000.)
    """
    side = box.width
    center_x, center_y = landmarks.mean(axis=0).tolist()
    height, width = image.shape[:2]
    square = Box(center_x - side / 2, center_y - side / 2, center_x + side / 2, center_y + side / 2)
    x0, y0, x1, y1 = (round(v) for v in square.clip(width, height))
    scale = SHARPNESS_SIZE / max(side, 1.0)
    if min(x1 - x0, y1 - y0) < max(SEEN_SHARE * side, 1.0):
        return 0.0
    size = (max(3, round((x1 - x0) * scale)), max(3, round((y1 - y0) * scale)))
    interpolation = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC
    inner = cv2.resize(image[y0:y1, x0:x1], size, interpolation=interpolation)
    luma = cv2.cvtColor(inner, cv2.COLOR_RGB2GRAY)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_32F))
    return float(deviation[0, 0]) ** 2


class TraitsFilter:
    """The traits of one track, settled over a quarter of a second.

    The width is that of the boxes as measured, outside the image too: a face half out of the picture is as large as it
    was. Settled, since a detector's box breathes by some per cent from frame to frame and the gate must not.
    """

    def __init__(self) -> None:
        self._traits: Traits | None = None
        self._seconds = 0.0

    def update(self, measured: Traits, *, seconds: float) -> Traits:
        """`measured` mixed into what was measured before, by the time that has passed."""
        last, period = self._traits, seconds - self._seconds
        settled = measured if last is None or period <= 0 else _mix(last, measured, period / (period + SETTLE_SECONDS))
        self._traits, self._seconds = settled, seconds
        return settled


def _mix(old: Traits, new: Traits, share: float) -> Traits:
    return Traits(
        old.width_px + share * (new.width_px - old.width_px),
        old.sharpness + share * (new.sharpness - old.sharpness),
    )
