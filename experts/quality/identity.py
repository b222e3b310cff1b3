"""Whether a restored face is still the same person, as a recognition network sees it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from blending.align import invert, similarity
from experts.contract import ExpertError, Image
from experts.quality.sample import Points

# ArcFace's five points of a 112 px crop.
_ARCFACE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
_SIDE = 112
_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_IMAGENET_SPREAD = np.array([0.229, 0.224, 0.225], np.float32)

Vector = npt.NDArray[np.float32]


class MobileFaceNet:
    """Faces as vectors of length 1, whose product says how alike two are. For measuring only.

    `path`: an ONNX file that takes (1, 3, 112, 112), RGB of 0 to 1 with ImageNet's normalisation, aligned to ArcFace's
    five points. Raises ExpertError where it can't be read, or the runtime for it is not installed.
    """

    def __init__(self, path: Path) -> None:
        # Only who measures identity needs this runtime.
        try:
            import onnxruntime
        except ImportError as error:
            raise ExpertError("identity needs the package onnxruntime: install Facelane as '.[bench]'") from error
        if not path.is_file():
            raise ExpertError(f"{path} is no file: name an ONNX file of a face network")
        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:
            # The runtime's own errors have no root but this.
            raise ExpertError(f"{path} can't be read as ONNX: {str(error).splitlines()[0]}") from error
        self._input = self._session.get_inputs()[0].name

    def embed(self, picture: Image, landmarks: Points) -> Vector:
        """(D,) of length 1 for the face of (H, W, 3) uint8 RGB with `landmarks` (5, 2).

        The product of the same person's in two photographs is about 0.86, of others' about 0.04.
        """
        face = _arcface(picture, landmarks).astype(np.float32) / 255.0
        normal = (face - _IMAGENET_MEAN) / _IMAGENET_SPREAD
        vector = np.asarray(self._session.run(None, {self._input: normal.transpose(2, 0, 1)[None]})[0][0], np.float32)
        return vector / np.float32(np.linalg.norm(vector))


def _arcface(picture: Image, landmarks: Points) -> Image:
    """The face at ArcFace's place, smoothed first by as much as it shrinks."""
    to_theirs = _onto_arcface(landmarks)
    shrink = 1.0 / float(np.hypot(to_theirs[0, 0], to_theirs[1, 0]))
    if shrink > 1.0:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.5 * shrink), np.uint8)
    return np.asarray(cv2.warpAffine(picture, to_theirs, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR), np.uint8)


def _onto_arcface(landmarks: Points) -> npt.NDArray[np.float64]:
    """By way of our template: its points and theirs are joined by one similarity, and so are a face's and ours."""
    ours = similarity(landmarks, _SIDE)
    theirs = similarity(_ARCFACE, _SIDE)
    back = invert(theirs)
    linear = back[:, :2] @ ours[:, :2]
    return np.hstack([linear, (back[:, :2] @ ours[:, 2] + back[:, 2])[:, None]])
