"""Gradient-domain blending (Perez, Gangnet and Blake 2003, "Poisson image editing"), solved spectrally.

The picture sought has the patch's gradients where `weight` is 1, the background's where it is 0, and the background's
values around the rectangle. With f = background + u and d = patch - background that is

    laplace(u) = div(weight * grad(d)),    u = 0 around the rectangle.

With weights averaged between neighbours, div(w grad d) = (laplace(w d) + w laplace(d) - d laplace(w)) / 2 exactly, also
for the five-point Laplacian; and w d is 0 around the rectangle, so half of u is known without solving anything.
The rest is diagonal under the sine transform. Type II puts the zeros half a pixel outside the rectangle and needs a
transform of half the length of type I, the usual choice.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from scipy import fft

from blending.patch import Planes


def poisson(difference: Planes, weight: Planes) -> Planes:
    """What to add to the background, as new planes; `difference` is (h, w) or (h, w, 3), `weight` (h, w) and 0 along
    its border."""
    planes = (
        difference[None] if difference.ndim == 2 else np.stack(cv2.split(difference)).astype(np.float32, copy=False)
    )
    curvature = _laplacian(weight)
    result = np.empty_like(planes)
    for channel, plane in enumerate(planes):
        result[channel] = weight * _laplacian(plane) - plane * curvature
    solved = _solve(result)
    solved += planes * weight
    solved *= 0.5
    return solved[0] if difference.ndim == 2 else np.asarray(cv2.merge(list(solved)), np.float32)


def _laplacian(plane: Planes) -> Planes:
    return np.asarray(cv2.Laplacian(plane, cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REPLICATE), np.float32)


def _solve(density: Planes) -> Planes:
    """The (n, h, w) planes u that have the Laplacian `density` and are 0 around their border."""
    height, width = density.shape[1:]
    padded = fft.next_fast_len(height, real=True), fft.next_fast_len(width, real=True)
    spectrum = fft.dstn(density, type=2, s=padded, axes=(1, 2))
    spectrum *= _inverse_eigenvalues(*padded)
    solved: Planes = fft.idstn(spectrum, type=2, axes=(1, 2), overwrite_x=True)
    return solved[:, :height, :width]


@lru_cache(maxsize=64)
def _inverse_eigenvalues(height: int, width: int) -> Planes:
    y = 2.0 * np.cos(np.pi * np.arange(1, height + 1) / height) - 2.0
    x = 2.0 * np.cos(np.pi * np.arange(1, width + 1) / width) - 2.0
    inverse = (1.0 / (y[:, None] + x[None, :])).astype(np.float32)
    inverse.flags.writeable = False
    return inverse
