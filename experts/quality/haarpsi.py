"""A perceptual index without weights: the Haar wavelet-based perceptual similarity index.

R. Reisenhofer, S. Bosse, G. Kutyniok, T. Wiegand: A Haar wavelet-based perceptual similarity index for image quality
assessment. Signal Processing: Image Communication 61 (2018), 33-43. Equation numbers are theirs.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

C = 30.0
ALPHA = 4.2
_SCALES = 3

Luma = npt.NDArray[np.float64]


def haarpsi(restored: Luma, target: Luma) -> float:
    """0 to 1, the same; of two pictures (H, W), 0 to 255, each side 8 px or more. Brightness alone: no colour."""
    x, y = _halved(restored), _halved(target)
    summed, weighed = 0.0, 0.0
    for turned in (False, True):
        first, second = _coefficients(x, turned=turned), _coefficients(y, turned=turned)
        weight = np.maximum(first[-1], second[-1])
        similar = [(2 * a * b + C) / (a * a + b * b + C) for a, b in zip(first[:2], second[:2], strict=True)]
        local = _sigmoid(np.mean(similar, axis=0))
        summed, weighed = summed + float((local * weight).sum()), weighed + float(weight.sum())
    # A picture without any edge has no weight anywhere; two of them are alike.
    return 1.0 if weighed == 0.0 else (_logit(summed / weighed) / ALPHA) ** 2


def _sigmoid(value: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Eq. 9."""
    return 1.0 / (1.0 + np.exp(-ALPHA * value))


def _logit(value: float) -> float:
    return float(np.log(value / (1.0 - value)))


def _halved(picture: Luma) -> Luma:
    """Averaged over 2x2 pixels and thinned by two: sec. 3.3, for the distance that one looks from."""
    return np.asarray(_filtered(picture, np.full((2, 2), 0.25))[::2, ::2])


def _coefficients(picture: Luma, *, turned: bool) -> list[Luma]:
    """The magnitudes of the Haar coefficients of one direction, from the finest scale to the coarsest: eqs. 2-4."""
    found = []
    for scale in range(1, _SCALES + 1):
        side = 2**scale
        kernel = np.full((side, side), 2.0**-scale)
        kernel[side // 2 :] *= -1.0
        found.append(np.abs(_filtered(picture, kernel.T if turned else kernel)))
    return found


def _filtered(picture: Luma, kernel: npt.NDArray[np.float64]) -> Luma:
    """Convolved, with zeros beyond the rim, the middle as MATLAB's conv2 has it for kernels of even sides."""
    anchor = ((kernel.shape[1] - 1) // 2, (kernel.shape[0] - 1) // 2)
    turned = np.ascontiguousarray(kernel[::-1, ::-1])
    filtered = cv2.filter2D(picture, cv2.CV_64F, turned, anchor=anchor, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(filtered, np.float64)
