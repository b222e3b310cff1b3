"""How much restoration changed a face, by arithmetic on pixels and on the parts of a face that pixels belong to.

Each compares a face as it was with the same face restored. Nothing here says which of the two is better: there is no
true picture to compare with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from experts.contract import ExpertError, Image
from experts.quality.metrics import Luma
from weights.packages import install_command

EQUAL_DB = 100.0
"""PSNR of equal pictures, where it is infinite: a little above that of a face in which one pixel is off by a level."""
LEAST_SHARE = 0.001
"""Of the picture: what a parser calls a part and is smaller in both pictures is rather a speck."""


class Arithmetic:
    """PSNR and SSIM as scikit-image computes them. Raises ExpertError where that is not installed."""

    def __init__(self) -> None:
        try:
            from skimage.metrics import peak_signal_noise_ratio, structural_similarity
        except ImportError as error:
            raise ExpertError(f"scikit-image is not installed; {install_command('metrics')}") from error
        self._psnr: Callable[..., float] = peak_signal_noise_ratio
        self._ssim: Callable[..., float] = structural_similarity

    def psnr(self, before: Luma, after: Luma) -> float:
        """In dB, of luma 0 to 255; `EQUAL_DB` at most."""
        if np.array_equal(before, after):
            return EQUAL_DB
        return min(EQUAL_DB, float(self._psnr(before, after, data_range=255.0)))

    def ssim(self, before: Luma, after: Luma) -> float:
        """Structural similarity of luma 0 to 255, 11 px or more to each side, as Wang et al. 2004 state it: a Gaussian
        of 1.5 px over 11."""
        return float(
            self._ssim(before, after, data_range=255.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
        )


class Agreement(NamedTuple):
    """`iou`: intersection over union of each part of the face that is in either picture, their mean; None where there
    is none. `pixels`: the share of pixels with the same label, background among them."""

    iou: float | None
    pixels: float


def agreement(before: Image, after: Image) -> Agreement:
    """How far two parsings (H, W) agree; label 0 is the background."""
    least = LEAST_SHARE * before.size
    overlaps = []
    for label in np.union1d(before, after):
        one, other = before == label, after == label
        if label and max(one.sum(), other.sum()) >= least:
            overlaps.append(float((one & other).sum() / (one | other).sum()))
    return Agreement(float(np.mean(overlaps)) if overlaps else None, float((before == after).mean()))
