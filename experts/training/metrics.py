"""How near a restored face is to the real one."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from blending.align import invert, similarity
from experts.contract import Image

FACE_AREA = (0.07, 0.92, 0.18, 0.82)
"""Top, bottom, left and right of the face in an aligned crop, as shares of its side."""

_ARCFACE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_IMAGENET_SPREAD = np.array([0.229, 0.224, 0.225], np.float32)


def face_luma(crop: Image) -> npt.NDArray[np.float64]:
    """BT.601 luma, 0 to 255, of the part of an aligned crop that the face fills."""
    side = crop.shape[0]
    top, bottom, left, right = (round(share * side) for share in FACE_AREA)
    face = crop[top:bottom, left:right].astype(np.float64)
    return np.asarray(face @ np.array([0.299, 0.587, 0.114]))


def psnr(restored: Image, target: Image) -> float:
    """In dB, on the luma of the face; infinite for equal pictures."""
    error = float(np.square(face_luma(restored) - face_luma(target)).mean())
    return float(10.0 * np.log10(255.0**2 / error)) if error > 0 else float("inf")


def ssim(restored: Image, target: Image) -> float:
    """Structural similarity (Wang et al. 2004, eq. 13; Gaussian of 1.5 px) on the luma of the face."""
    x, y = face_luma(restored), face_luma(target)
    mean_x, mean_y = _smooth(x), _smooth(y)
    var_x, var_y = _smooth(x * x) - mean_x**2, _smooth(y * y) - mean_y**2
    cov = _smooth(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ratio = ((2 * mean_x * mean_y + c1) * (2 * cov + c2)) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    return float(ratio[5:-5, 5:-5].mean())


def sharpness(crop: Image) -> float:
    """Variance of the Laplacian of the face's luma: how much fine detail there is, true or not."""
    return float(cv2.Laplacian(face_luma(crop), cv2.CV_64F).var())


def _smooth(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5), np.float64)


class Identity(Protocol):
    def likeness(self, restored: Image, target: Image) -> float: ...


class MobileFaceNet:
    """Likeness of two aligned crops: the cosine of a recognition network's embeddings. For measuring only.

    `path`: an ONNX file that takes (1, 3, 112, 112), RGB of 0 to 1 with ImageNet's normalisation, aligned to ArcFace's
    five points.
    """

    def __init__(self, path: Path) -> None:
        # Only who measures identity needs this runtime.
        import onnxruntime

        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def likeness(self, restored: Image, target: Image) -> float:
        """-1 to 1; the same person in two photographs has about 0.86."""
        return float(self._embed(restored) @ self._embed(target))

    def _embed(self, crop: Image) -> npt.NDArray[np.float32]:
        face = _arcface(crop).astype(np.float32) / 255.0
        normal = (face - _IMAGENET_MEAN) / _IMAGENET_SPREAD
        vector = np.asarray(self._session.run(None, {self._input: normal.transpose(2, 0, 1)[None]})[0][0], np.float32)
        return vector / np.float32(np.linalg.norm(vector))


def _arcface(crop: Image) -> Image:
    """The crop, aligned to ArcFace's template of 112 px instead of ours, smoothed first by as much as it shrinks."""
    side = crop.shape[0]
    to_theirs = invert(similarity(_ARCFACE, side))
    sigma = 0.5 / float(np.hypot(to_theirs[0, 0], to_theirs[1, 0]))
    smooth = cv2.GaussianBlur(crop, (0, 0), sigma)
    return np.asarray(cv2.warpAffine(smooth, to_theirs, (112, 112), flags=cv2.INTER_LINEAR), np.uint8)
