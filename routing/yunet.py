"""YuNet (Wu et al. 2023, A Tiny Millisecond-level Face Detector), through OpenCV's `FaceDetectorYN`, on the CPU."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from routing.crops import Image
from routing.types import RoutingError
from routing.whole import Found, ScoreScale
from weights.failures import reason
from weights.session import Taken

ID = "yunet"
SCORES = ScoreScale(follow=0.6, face=0.8, sure=0.88)
"""By measurement: of the faces that MTCNN finds in 15 clips, YuNet rates 99 % above 0.78 and 95 % above 0.88."""
OVERLAP = 0.3
"""Of two faces, as `FaceDetectorYN` has it by default."""
MOST = 5000
BLOCK = 32


class YuNetFinder:
    """See `routing.whole.Finder`. `path`: an ONNX file as OpenCV's model zoo has it. Raises RoutingError where OpenCV
    can't read it, or it is another network's."""

    def __init__(self, path: Path, *, least: float = SCORES.follow) -> None:
        self._path = path
        level = cv2.utils.logging.getLogLevel()
        # OpenCV warns that it knows one device alone, which is the one that is asked for.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        try:
            self._network = cv2.FaceDetectorYN.create(str(path), "", (BLOCK, BLOCK), least, OVERLAP, MOST)
            self.find(np.zeros((BLOCK, BLOCK, 3), np.uint8))
        except cv2.error as error:
            raise RoutingError(f"{path} can't be read as YuNet in ONNX: {reason(error)}") from error
        finally:
            cv2.utils.logging.setLogLevel(level)

    @property
    def taken(self) -> Taken:
        return Taken(device="cpu", runtime="opencv", precision="float32")

    def find(self, image: Image) -> Found:
        self._network.setInputSize((image.shape[1], image.shape[0]))
        # It takes OpenCV's order of colours.
        _, faces = self._network.detect(np.ascontiguousarray(image[:, :, ::-1]))
        found = np.empty((0, 15), np.float32) if faces is None else np.asarray(faces, np.float32)
        boxes = np.hstack([found[:, :2], found[:, :2] + found[:, 2:4]])
        return Found(boxes, found[:, 4:14].reshape(-1, 5, 2), found[:, 14])

    def pixels(self, width: int, height: int) -> int:
        return _blocks(width) * _blocks(height) * BLOCK**2


def _blocks(extent: int) -> int:
    return -(-extent // BLOCK)
