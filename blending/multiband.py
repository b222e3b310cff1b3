"""Multi-band blending (Burt and Adelson 1983, "A multiresolution spline with application to image mosaics").

Each octave of the picture crosses over its own width: broad light slowly, fine detail at once. The blend is linear,
so it is done on the difference of patch and background, with one pyramid in the place of two.
"""

from __future__ import annotations

import cv2
import numpy as np

from blending.feather import weigh
from blending.patch import Planes

_COARSEST_PX = 8
"""Shorter side at which the pyramid ends."""
_MOST_LEVELS = 7


def multiband(difference: Planes, weight: Planes) -> Planes:
    """What to add to the background, by bands; `difference` is (h, w) or (h, w, 3), `weight` (h, w) from 0 to 1. The
    result takes the place of `difference`: fresh memory for every band costs more than the bands."""
    return _blend(difference, weight, levels=levels_for(min(weight.shape)))


def levels_for(side: int) -> int:
    """Octaves to split a picture of `side` px into: the coarsest is never under 8 px."""
    return min(max(side // _COARSEST_PX, 1).bit_length() - 1, _MOST_LEVELS)


def _blend(difference: Planes, weight: Planes, *, levels: int) -> Planes:
    if levels == 0:
        return weigh(difference, weight)
    size = weight.shape[1], weight.shape[0]
    coarse, coarse_weight = cv2.pyrDown(difference), cv2.pyrDown(weight)
    expanded = np.asarray(cv2.pyrUp(coarse, dstsize=size), np.float32)
    band = weigh(np.subtract(difference, expanded, out=difference), weight)
    below = _blend(np.asarray(coarse, np.float32), np.asarray(coarse_weight, np.float32), levels=levels - 1)
    cv2.pyrUp(below, dst=expanded, dstsize=size)
    return np.add(band, expanded, out=band)
