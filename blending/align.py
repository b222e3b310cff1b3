"""Where a face lies in an aligned crop: one template for training, restoring and compositing, and that of the field.

Pixel centres are at whole numbers throughout (OpenCV's convention).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from blending.patch import Image

Template = Literal["face", "ffhq"]

# The FFHQ template as facexlib states it for 512 px, enlarged 1.18 times about the face so that fewer pixels go to
# hair and wall: forehead to chin spans about 0.07 to 0.92 of the crop's height, the face box about 0.60 of its width.
TEMPLATE = np.array(
    [[0.3544, 0.4099], [0.6446, 0.4105], [0.5011, 0.5806], [0.3735, 0.7129], [0.6312, 0.7123]], dtype=np.float64
)
FACE_WIDTH_SHARE = 0.60
"""Width of the face box over that of the crop, for a frontal face."""

# The five points of the crops of 512 px that GFPGAN and its like were trained on, as facexlib states them for FFHQ.
_FFHQ_PX = np.array(
    [
        [192.98138, 239.94708],
        [318.90277, 240.1936],
        [256.63416, 314.01935],
        [201.26117, 371.41043],
        [313.08905, 371.15118],
    ]
)
FFHQ = (_FFHQ_PX + 0.5) / 512.0

TEMPLATES: Mapping[Template, npt.NDArray[np.float64]] = MappingProxyType({"face": TEMPLATE, "ffhq": FFHQ})
"""By the names that experts ask for: "face" is `TEMPLATE`, for which masks are made; "ffhq" shows more around it."""


class Part(NamedTuple):
    """A square of a crop, in whole pixels."""

    x: int
    y: int
    side: int


def similarity(landmarks: npt.NDArray[np.floating], size: int, template: Template = "face") -> npt.NDArray[np.float64]:
    """The (2, 3) similarity that maps `landmarks` (5, 2), image pixels, onto the template of a `size` px crop.

    Least squares in closed form (Umeyama 1991, eqs. 40-43), no reflection.

    Raises ValueError where the landmarks coincide, since no similarity fits them.
    """
    source = np.asarray(landmarks, np.float64)
    target = TEMPLATES[template] * size - 0.5
    source_mean, target_mean = source.mean(0), target.mean(0)
    s, t = source - source_mean, target - target_mean
    spread = float((s * s).sum())
    if not spread > 1e-9:
        raise ValueError("landmarks coincide: no similarity fits them")
    a = float((s * t).sum()) / spread
    b = float((s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum()) / spread
    linear = np.array([[a, -b], [b, a]])
    return np.hstack([linear, (target_mean - linear @ source_mean)[:, None]])


@lru_cache(maxsize=32)
def face_part(size: int, template: Template) -> Part:
    """What `TEMPLATE` would have cut of the same face, to the pixel, in a `size` px crop that `template` cut."""
    to_face = similarity(TEMPLATES[template] * size - 0.5, size)
    to_crop = invert(to_face)
    x, y = to_crop[:, :2] @ np.array([-0.5, -0.5]) + to_crop[:, 2] + 0.5
    return Part(round(float(x)), round(float(y)), round(float(to_crop[0, 0]) * size))


def shift(x: float, y: float) -> npt.NDArray[np.float64]:
    """The (2, 3) map that moves by `x` and `y` pixels."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y]])


def invert(affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The inverse of a (2, 3) affine map."""
    linear = np.linalg.inv(affine[:, :2])
    return np.hstack([linear, -(linear @ affine[:, 2])[:, None]])


def compose(outer: npt.NDArray[np.float64], inner: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The (2, 3) affine map that does `inner`, then `outer`."""
    linear = outer[:, :2] @ inner[:, :2]
    return np.hstack([linear, (outer[:, :2] @ inner[:, 2] + outer[:, 2])[:, None]])


def scaling(factor: float) -> npt.NDArray[np.float64]:
    """The (2, 3) map from an image's pixels to those of the same image resized by `factor`, as cv2.resize places
    them."""
    shift = (factor - 1.0) / 2.0
    return np.array([[factor, 0.0, shift], [0.0, factor, shift]])


def crop(image: Image, to_crop: npt.NDArray[np.float64], size: int) -> Image:
    """The aligned (size, size, 3) crop of an RGB image; what lies outside repeats the border.

    `to_crop` maps image pixels to crop pixels. Bicubic; a crop smaller than half the original is averaged down
    first, so that nothing aliases.
    """
    scale = float(np.hypot(to_crop[0, 0], to_crop[1, 0]))
    if scale < 0.5:
        factor = min(2 ** int(np.floor(np.log2(1.0 / scale))), *image.shape[:2])
        height, width = image.shape[0] // factor, image.shape[1] // factor
        whole = image[: height * factor, : width * factor]
        image = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        to_crop = compose(to_crop, invert(scaling(1.0 / factor)))
    return cv2.warpAffine(image, to_crop, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).astype(
        np.uint8, copy=False
    )
