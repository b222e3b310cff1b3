"""What a lens and a sensor's grid make of a picture: blur of several kinds, and shrinking by several kernels.

Blur is applied at `OVERSAMPLING` times the small picture's resolution and the shrinking kernel with it; the small
picture's points are then taken where the motion says.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from experts.contract import Image
from experts.training.degradation import DegradationSettings
from experts.training.draws import between, maybe
from experts.training.motion import Affine

OVERSAMPLING = 2.0
"""Lens and motion blur are applied at this many times the small picture's resolution."""
_LEAST_SIGMA = 0.15

Kernel = npt.NDArray[np.float32]


def look(
    picture: Image, scale: float, towards: float, settings: DegradationSettings, random: np.random.Generator
) -> tuple[Image, Affine]:
    """The picture at about `OVERSAMPLING` times its final `scale`, as a lens leaves it; and the map of pixels there.

    `towards`: the direction of a motion's smear in the picture, in radians.
    """
    share = min(1.0, scale * OVERSAMPLING)
    height, width = picture.shape[:2]
    size = (max(8, round(width * share)), max(8, round(height * share)))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    small = _blur(small, share / scale, towards, settings, random)
    x, y = size[0] / width, size[1] / height
    return small, np.array([[x, 0.0, (x - 1.0) / 2.0], [0.0, y, (y - 1.0) / 2.0]])


def _blur(
    small: Image, unit: float, towards: float, settings: DegradationSettings, random: np.random.Generator
) -> Image:
    """`unit`: pixels of `small` to one of the final picture."""
    sigma, antialias = maybe(settings.blur_share, settings.blur, random), between(settings.antialias, random)
    aspect, upright = between(settings.blur_aspect, random), bool(random.random() < 0.5)
    name = settings.kernels[int(random.integers(len(settings.kernels)))]
    radius = maybe(settings.defocus_share, settings.defocus, random)
    smear = maybe(settings.motion_share, settings.motion, random)
    if sigma is not None:
        small = gaussian(small, sigma * unit, aspect, upright=upright)
    if radius is not None:
        small = np.asarray(cv2.filter2D(small, -1, disc(radius * unit)), np.uint8)
    if smear is not None:
        small = np.asarray(cv2.filter2D(small, -1, line(smear * unit, towards)), np.uint8)
    if name == "gaussian":
        return gaussian(small, antialias * unit)
    weights = taps(name, unit)
    return small if weights is None else np.asarray(cv2.sepFilter2D(small, -1, weights, weights), np.uint8)


def gaussian(picture: Image, sigma: float, aspect: float = 1.0, *, upright: bool = False) -> Image:
    """Blurred by a Gaussian `aspect` times as long as wide, its longer side `upright` or level, as pictures have it
    that were scaled unevenly or interlaced. Its area is that of a round one of `sigma`."""
    longer, shorter = sigma * np.sqrt(aspect), sigma / np.sqrt(aspect)
    if longer < _LEAST_SIGMA:
        return picture
    x, y = (shorter, longer) if upright else (longer, shorter)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigmaX=x, sigmaY=y), np.uint8)


def disc(radius: float) -> Kernel:
    """A disc of that radius with an antialiased rim, its sum 1."""
    reach = int(np.ceil(radius)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0.0, 1.0)
    return np.asarray(kernel / kernel.sum(), np.float32)


def line(length: float, angle: float) -> Kernel:
    """A straight smear of that length with soft flanks, its sum 1."""
    reach = int(np.ceil(length / 2)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along = np.abs(x * np.cos(angle) + y * np.sin(angle))
    across = np.abs(y * np.cos(angle) - x * np.sin(angle))
    kernel = np.clip(length / 2 + 0.5 - along, 0.0, 1.0) * np.clip(1.0 - across, 0.0, 1.0)
    return np.asarray(kernel / kernel.sum(), np.float32)


def taps(name: str, unit: float) -> Kernel | None:
    """A kernel for shrinking by `unit`, antialiased as Pillow has it: one dimension, its sum 1.

    None for `bilinear`, which takes the nearest points alone, as OpenCV and graphics processors do.
    """
    reach = {"area": 0.5, "bicubic": 2.0, "lanczos": 3.0}.get(name)
    if reach is None or unit <= 1.0:
        return None
    half = int(np.ceil(reach * unit))
    x = np.arange(-half, half + 1) / unit
    if name == "area":
        weights = np.clip(unit / 2 + 0.5 - np.abs(x) * unit, 0.0, 1.0)
    elif name == "bicubic":
        weights = _keys(np.abs(x))
    else:
        weights = np.where(np.abs(x) < reach, np.sinc(x) * np.sinc(x / reach), 0.0)
    return np.asarray(weights / weights.sum(), np.float32)


def _keys(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Keys' cubic (1981, eq. 15) with a = -1/2."""
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
