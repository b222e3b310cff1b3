"""How near a restored face is to the real one, by arithmetic on luma alone."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from experts.contract import Image

FACE_AREA = (0.07, 0.92, 0.18, 0.82)
"""Top, bottom, left and right of the face in an aligned crop, as shares of its side."""

Luma = npt.NDArray[np.float64]

_SSIM_MARGIN = 5
"""Pixels at the rim whose window reaches beyond the picture."""
_BAND = (0.25, 0.75)
"""High frequencies, as shares of Nyquist's."""


def luma(picture: Image) -> Luma:
    """BT.601 luma of (H, W, 3) uint8 RGB, 0 to 255."""
    return np.asarray(picture.astype(np.float64) @ np.array([0.299, 0.587, 0.114]))


def in_video(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Luma of 0 to 255 as 8-bit video of limited range holds it: 220 levels."""
    return np.asarray(np.rint(values * (219.0 / 255.0)) * (255.0 / 219.0))


def face_luma(crop: Image) -> Luma:
    """The same of the part of an aligned crop that the face fills."""
    side = crop.shape[0]
    top, bottom, left, right = (round(share * side) for share in FACE_AREA)
    return luma(crop[top:bottom, left:right])


def psnr(restored: Luma, target: Luma) -> float:
    """In dB; infinite for equal pictures."""
    error = float(np.square(restored - target).mean())
    return float(10.0 * np.log10(255.0**2 / error)) if error > 0 else float("inf")


def ssim(restored: Luma, target: Luma) -> float:
    """Structural similarity (Wang et al. 2004, eq. 13; Gaussian of 1.5 px over 11)."""
    mean_x, mean_y = _smooth(restored), _smooth(target)
    var_x, var_y = _smooth(restored * restored) - mean_x**2, _smooth(target * target) - mean_y**2
    cov = _smooth(restored * target) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ratio = ((2 * mean_x * mean_y + c1) * (2 * cov + c2)) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    inner = slice(_SSIM_MARGIN, -_SSIM_MARGIN)
    return float(ratio[inner, inner].mean())


def high_frequencies(restored: Luma, target: Luma) -> float:
    """How much fine detail there is, true or not: the power of the Hann-windowed spectrum between 1/4 and 3/4 of
    Nyquist's frequency, over the target's."""
    return _power(restored) / _power(target)


def flicker(restored: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> float:
    """What changes from frame to frame but should not: the mean absolute difference, in levels of 255, of the two
    clips' temporal differences. Both (T, H, W), of one place, T 2 or more. 0 where they change alike."""
    return float(np.abs(np.diff(restored, axis=0) - np.diff(target, axis=0)).mean())


def _power(values: Luma) -> float:
    window = np.outer(*(np.hanning(extent + 2)[1:-1] for extent in values.shape))
    spectrum = np.abs(np.fft.fft2((values - values.mean()) * window)) ** 2
    rows, columns = (2.0 * np.fft.fftfreq(extent) for extent in values.shape)
    radius = np.hypot(rows[:, None], columns[None, :])
    return float(spectrum[(radius >= _BAND[0]) & (radius <= _BAND[1])].sum())


def _smooth(values: Luma) -> Luma:
    return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5), np.float64)
