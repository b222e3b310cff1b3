"""Feathering: a plain cross-fade over the mask's ramp."""

from __future__ import annotations

import cv2
import numpy as np

from blending.patch import Planes


def feather(difference: Planes, weight: Planes) -> Planes:
    """What to add to the background: `difference` (h, w) or (h, w, 3) times `weight` (h, w)."""
    return weighted(difference, weight)


def weighted(planes: Planes, weight: Planes, *, factor: float = 1.0) -> Planes:
    """`planes` (h, w) or (h, w, 3) times `weight` (h, w) times `factor`; numpy's own broadcast takes twice as long."""
    if planes.ndim == 3:
        weight = np.asarray(cv2.cvtColor(weight, cv2.COLOR_GRAY2RGB), np.float32)
    return np.asarray(cv2.multiply(planes, weight, scale=factor), np.float32)
