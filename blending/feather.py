"""Feathering: a plain cross-fade over the mask's ramp."""

from __future__ import annotations

import cv2
import numpy as np

from blending.patch import Planes


def feather(difference: Planes, weight: Planes) -> Planes:
    """What to add to the background: `difference` (h, w) or (h, w, C) times `weight` (h, w), in the place of
    `difference`."""
    return weigh(difference, weight)


def weigh(planes: Planes, weight: Planes, *, factor: float = 1.0) -> Planes:
    """`planes` (h, w) or (h, w, C) times `weight` (h, w) times `factor`, in place; numpy's broadcast takes three
    times as long."""
    if planes.ndim == 3:
        weight = np.asarray(cv2.merge([weight] * planes.shape[2]), np.float32)
    cv2.multiply(planes, weight, dst=planes, scale=factor)
    return planes
