"""How much of a patch counts where: full on the face, nothing before the crop's border, smooth in between.

A mask depends on the size of the patch only, never on the landmarks of the frame at hand: warped by the patch's own
affine map it moves with the face and keeps its shape, so that it cannot flicker.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from blending.patch import Patch, Planes

Bounds = tuple[int, int, int, int]

# Half axes as shares of the crop's side. The inner oval holds the face (align.FACE_WIDTH_SHARE wide, forehead to chin),
# the outer one stays clear of the crop's border.
_CENTRE = (0.5, 0.495)
_INNER = (0.31, 0.41)
_OUTER = (0.485, 0.485)
_ROUNDNESS = 2.6
"""Exponent of the super-ellipse: 2 is an ellipse, infinity the rectangle."""
_LEAST_FADE = 0.1
"""Share of the ring that is always left for `fade`, since a method's spread must not end in a step."""


@lru_cache(maxsize=32)
def face_mask(size: int, feather: float) -> Planes:
    """The mask of a `size` px patch: (size, size, 4) float32, not writeable.

    Its planes are: `weight`, 1 on the face and 0 outside the patch's share; `fade`, 1 wherever `weight` is above 0
    and 0 from the outer oval on, which ends what a method spreads beyond `weight`; `depth`, 1 at the centre and 0
    from the outer oval on; and one of zeros, since OpenCV warps four planes in half the time of three. `feather`,
    above 0 and up to 1, is the share of the ring between the two ovals over which `weight` falls; `fade` takes what
    is left of it, outside.
    """
    inner, outer = _radius(size, _INNER), _radius(size, _OUTER)
    # 0 on the outer oval, 1 on the inner one, and even in between along each ray.
    ring = np.clip((1.0 - outer) / np.maximum(inner - outer, 1e-6), 0.0, 1.0)
    rest = max(1.0 - feather, _LEAST_FADE)
    weight, fade = _smoothstep((ring - rest) / (1.0 - rest)), _smoothstep(ring / rest)
    mask = np.stack([weight, fade, np.clip(1.0 - outer, 0.0, 1.0), np.zeros_like(ring)], axis=2).astype(np.float32)
    mask.flags.writeable = False
    return mask


def footprint(patch: Patch) -> Bounds:
    """The smallest (x0, y0, x1, y1) in whole pixels of the background that holds all that the patch can change; it may
    reach beyond the background."""
    # Bilinear warping at half size carries the mask up to one pixel of the patch or two of the background outwards, and
    # expanding the blend from there two more.
    points = _outline(patch.image.shape[0]) @ patch.to_frame[:, :2].T + patch.to_frame[:, 2]
    reach = patch.scale + 4.0
    x0, y0 = np.floor(points.min(axis=0) - reach).astype(int).tolist()
    x1, y1 = np.ceil(points.max(axis=0) + reach).astype(int).tolist()
    return x0, y0, x1 + 1, y1 + 1


@lru_cache(maxsize=32)
def _outline(size: int) -> npt.NDArray[np.float64]:
    """Points (64, 2) on the outer oval, in pixels of the patch; between two of them the oval bulges by under 0.2 %."""
    angle = np.linspace(0.0, 2.0 * np.pi, 64, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    oval = np.sign(circle) * np.abs(circle) ** (2.0 / _ROUNDNESS)
    points: npt.NDArray[np.float64] = (np.array(_CENTRE) + 1.002 * np.array(_OUTER) * oval) * size - 0.5
    return points


def _radius(size: int, half_axes: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Super-elliptic radius of each pixel: 0 in the centre, 1 on the oval."""
    at = (np.arange(size) + 0.5) / size
    x = np.abs((at - _CENTRE[0]) / half_axes[0]) ** _ROUNDNESS
    y = np.abs((at - _CENTRE[1]) / half_axes[1]) ** _ROUNDNESS
    return np.asarray((x[None, :] + y[:, None]) ** (1.0 / _ROUNDNESS))


def _smoothstep(ramp: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    t = np.clip(ramp, 0.0, 1.0)
    result: npt.NDArray[np.float64] = t * t * (3.0 - 2.0 * t)
    return result
