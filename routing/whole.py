"""Detectors that look at a whole picture once: what the field's networks have in common, behind `Detector`.

A face that is followed is looked for in a crop about the place where it is expected. Where there are so many faces that
their crops are more work than the picture, that is looked at, and its faces are told apart by their boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from routing.crops import Image, crops_of, squares_about
from routing.detector import DetectorSettings
from routing.suppression import Boxes, Scores
from routing.types import Box, Detection
from weights.session import Taken

SMALLEST_PX = 20.0
"""Width of the smallest face that is looked for, as the network sees it: the picture is made so much smaller. By
measurement YuNet, on 75 pictures of 15 clips, finds all the faces that MTCNN finds from 12 px on, and rates them higher
up to 20; the others' anchors begin at 16 px."""
TILE = 128
"""Side of the crop in which a face that is followed is looked for; the face takes half of it."""
TILE_PER_FACE = 2.0
SAME_OVERLAP = 0.3
"""Intersection over union with the expected box from which a face is the one that was looked for."""
MTCNN_SCORES = (0.0, 0.6, 0.9, 0.95, 1.0)
"""The scores of MTCNN's that the settings speak in: nothing, a face that is followed, a face, a sure one, all."""


class Found(NamedTuple):
    """N faces that a network sees, each once: (N, 4) boxes, (N, 5, 2) landmarks as `Detection` has them, (N,) scores of
    the network's own; all in pixels of the picture that it was shown."""

    boxes: Boxes
    landmarks: npt.NDArray[np.float32]
    scores: Scores


class ScoreScale(NamedTuple):
    """What of a network's own scores, 0 to 1, stands for MTCNN's 0.6, 0.9 and 0.95: for a face that is followed, for
    a new one, and for one that counts at once."""

    follow: float
    face: float
    sure: float

    def mtcnn(self, scores: Scores) -> Scores:
        return np.interp(scores, (0.0, *self, 1.0), MTCNN_SCORES).astype(np.float32)


class Finder(Protocol):
    """A network that finds faces in a picture, of any size."""

    @property
    def taken(self) -> Taken:
        """What it really runs on."""
        ...

    def find(self, image: Image) -> Found:
        """The faces of an (H, W, 3) uint8 RGB picture; those of scores that can be of no use may be left out."""
        ...

    def pixels(self, width: int, height: int) -> int:
        """How many pixels it computes for a picture of that size."""
        ...


class WholeFrameDetector:
    """See `routing.detector.Detector`. `scores`: how those of `finder` compare with MTCNN's."""

    def __init__(self, finder: Finder, scores: ScoreScale, settings: DetectorSettings) -> None:
        self._finder = finder
        self._scores = scores
        self._settings = settings

    @property
    def taken(self) -> Taken:
        """What the network really runs on."""
        return self._finder.taken

    def prepare(self) -> None:
        """Does now what the first images would have to wait for."""
        self._finder.find(np.zeros((TILE, TILE, 3), np.uint8))

    def detect(self, image: Image) -> list[Detection]:
        wanted = self._settings
        faces = self._whole(image)
        return [face for face in faces if face.score >= wanted.face_score and face.box.width >= wanted.min_face_px]

    def detect_at(self, image: Image, boxes: Sequence[Box]) -> list[Detection | None]:
        if not boxes:
            return []
        if len(boxes) * self._finder.pixels(TILE, TILE) >= self._finder.pixels(*self._size(image)):
            faces = self._whole(image)
            return [self._nearest(box, faces) for box in boxes]
        squares = squares_about(np.array(boxes, np.float32), times=TILE_PER_FACE)
        tiles = crops_of(image, squares, TILE)
        return [
            self._nearest(box, self._seen(tile, scale=side / TILE, x=x, y=y))
            for box, tile, (x, y, side) in zip(boxes, tiles, squares.tolist(), strict=True)
        ]

    def _size(self, image: Image) -> tuple[int, int]:
        """Width and height at which the picture is looked at; it is never enlarged."""
        height, width = image.shape[:2]
        scale = min(1.0, SMALLEST_PX / self._settings.min_face_px)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def _whole(self, image: Image) -> list[Detection]:
        size = self._size(image)
        # Each extent was rounded by itself: both are measured by the mean of the two scales, which differ by nothing.
        scale = (image.shape[1] + image.shape[0]) / (size[0] + size[1])
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        return self._seen(small, scale=scale)

    def _seen(self, picture: Image, *, scale: float, x: float = 0.0, y: float = 0.0) -> list[Detection]:
        """The faces of a part of an image, the surest first, in the image's pixels."""
        found = self._finder.find(picture)
        scores = self._scores.mtcnn(found.scores)
        boxes = found.boxes * scale + np.array([x, y, x, y])
        landmarks = (found.landmarks * scale + np.array([x, y])).astype(np.float32)
        order = np.argsort(-found.scores, kind="stable")
        return [Detection(Box(*boxes[i].tolist()), landmarks[i], float(scores[i])) for i in order]

    def _nearest(self, box: Box, faces: Sequence[Detection]) -> Detection | None:
        sure = [face for face in faces if face.score >= self._settings.follow_score]
        best = max(sure, key=lambda face: face.box.iou(box), default=None)
        return best if best is not None and best.box.iou(box) >= SAME_OVERLAP else None
