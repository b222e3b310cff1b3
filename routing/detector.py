"""MTCNN (Zhang et al. 2016): three networks, each of which looks closer at what the one before let through."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt
from torch import nn

from routing.checks import require_between, require_positive
from routing.crops import Image, Squares, crops_of, squares_about
from routing.networks import ONET_SIZE, PNET_CELL, PNET_STRIDE, RNET_SIZE, ONet, PNet, RNet, load_weights
from routing.pyramid import Canvas, plan
from routing.suppression import Boxes, Scores, suppress, suppress_by_group, suppress_nested
from routing.types import Box, Detection
from weights.session import RuntimeSettings, Session, Taken, open_session
from weights.store import Store

METHODS = ("mtcnn", "yunet", "scrfd", "retinaface-resnet50", "retinaface-mobilenet0.25")
# The proposal network's window holds the face's longer side.
CELL_PER_FACE_WIDTH = 1.25
LEVEL_OVERLAP = 0.5
STAGE_OVERLAP = 0.7


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """Who finds faces, and what counts as one.

    `method`: one of `METHODS`, see `routing.detectors`. `file`: weights of one's own for it, in the place of those that
    the manifest names; MTCNN, which has three, takes none. `min_face_px`: width of the smallest face that is looked
    for; the cost falls with its square. `pyramid_step`: each size of the image over the one before; the paper's value.
    `proposal_score`, `refine_score`, `face_score`: what a box must reach in each of the three networks, 0 to 1.
    `follow_score`: what a face that is followed must reach. Of all these the other detectors use `min_face_px`,
    `face_score` and `follow_score`: their scores are put on MTCNN's scale.

    The scores are by measurement on 15 clips, sharp, blurred and compressed: up to a proposal score of 0.8 no face is
    lost that 0.6 finds, and a face score of 0.9 ends the false faces for 1 % of the true ones, which following brings
    back.
    """

    method: str = "mtcnn"
    file: Path | None = None
    min_face_px: float = 40.0
    pyramid_step: float = 0.709
    proposal_score: float = 0.8
    refine_score: float = 0.7
    face_score: float = 0.9
    follow_score: float = 0.6

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            near = difflib.get_close_matches(self.method, METHODS, n=1)
            hint = f"did you mean {near[0]!r}? Known" if near else "known"
            raise ValueError(f"there is no detector {self.method!r}; {hint}: {', '.join(METHODS)}")
        if self.file is not None and self.method == "mtcnn":
            raise ValueError("file is for the other detectors: mtcnn has three, which the manifest names")
        require_positive(min_face_px=self.min_face_px)
        require_between(0.3, 0.95, pyramid_step=self.pyramid_step)
        require_between(
            0.0,
            1.0,
            proposal_score=self.proposal_score,
            refine_score=self.refine_score,
            face_score=self.face_score,
            follow_score=self.follow_score,
        )


class Detector(Protocol):
    """Finds faces in an (H, W, 3) uint8 RGB image."""

    def detect(self, image: Image) -> list[Detection]:
        """All faces, the surest first."""
        ...

    def detect_at(self, image: Image, boxes: Sequence[Box]) -> list[Detection | None]:
        """The face at each of `boxes`, which says about where it is; None where there is none (any more)."""
        ...


class _Faces(NamedTuple):
    """What the last network says of N crops."""

    scores: Scores
    boxes: Boxes
    landmarks: npt.NDArray[np.float32]

    def detection(self, index: int) -> Detection:
        x0, y0, x1, y1 = self.boxes[index].tolist()
        return Detection(Box(x0, y0, x1, y1), self.landmarks[index], float(self.scores[index]))


class MtcnnDetector:
    """The detector with the weights published in the `mtcnn` wheel. Its boxes are as regressed, neither clipped to the
    image nor made square."""

    def __init__(self, store: Store, settings: DetectorSettings, runtime: RuntimeSettings) -> None:
        self._settings = settings
        self._pnet = _session(PNet(), store, "mtcnn-pnet", shape=(1, None, None, 3), runtime=runtime)
        self._rnet = _session(
            RNet(), store, "mtcnn-rnet", shape=(None, RNET_SIZE, RNET_SIZE, 3), runtime=runtime, batches=(4, 16, 64)
        )
        self._onet = _session(
            ONet(),
            store,
            "mtcnn-onet",
            shape=(None, ONET_SIZE, ONET_SIZE, 3),
            runtime=runtime,
            batches=(1, 2, 3, 4, 6, 8),
        )
        self._canvas: Canvas | None = None
        self._canvas_for = (0, 0)

    @property
    def taken(self) -> Taken:
        """What the networks really run on."""
        return self._onet.taken

    def prepare(self) -> None:
        """Does now what the first images would have to wait for."""
        for session in (self._pnet, self._rnet, self._onet):
            session.prepare()

    def detect(self, image: Image) -> list[Detection]:
        canvas = self._canvas_of(image.shape[1], image.shape[0])
        if canvas is None:
            return []
        squares = self._refine(image, self._propose(image, canvas))
        if not len(squares):
            return []
        faces = self._measure(image, squares)
        sure = np.flatnonzero(faces.scores >= self._settings.face_score)
        best = suppress_nested(faces.boxes[sure], faces.scores[sure], overlap=STAGE_OVERLAP)
        return [faces.detection(index) for index in sure[best]]

    def detect_at(self, image: Image, boxes: Sequence[Box]) -> list[Detection | None]:
        if not boxes:
            return []
        faces = self._measure(image, squares_about(np.array(boxes, np.float32)))
        sure = faces.scores >= self._settings.follow_score
        return [faces.detection(index) if sure[index] else None for index in range(len(boxes))]

    def _canvas_of(self, width: int, height: int) -> Canvas | None:
        if self._canvas_for != (width, height):
            cell = self._settings.min_face_px * CELL_PER_FACE_WIDTH
            self._canvas = plan(width, height, cell_px=cell, step=self._settings.pyramid_step)
            self._canvas_for = (width, height)
        return self._canvas

    def _propose(self, image: Image, canvas: Canvas) -> Squares:
        """Squares that the first network takes for faces, at any size."""
        probability, shift = self._pnet.run(canvas.draw(image))
        rows, columns = canvas.windows.shape
        likely = (probability[0, :rows, :columns] > self._settings.proposal_score) & (canvas.windows >= 0)
        row, column = np.nonzero(likely)
        level = canvas.windows[row, column]
        scores = probability[0, row, column]
        corner = np.stack([column, row], axis=1).astype(np.float32) * PNET_STRIDE
        window = np.concatenate([corner, corner + PNET_CELL], axis=1) + shift[0, row, column] * PNET_CELL
        offset, scale = np.hsplit(canvas.geometry[level], 2)
        boxes = (window - np.tile(offset, 2)) * np.tile(scale, 2)
        kept = suppress_by_group(boxes, scores, level, overlap=LEVEL_OVERLAP)
        kept = kept[suppress(boxes[kept], scores[kept], overlap=STAGE_OVERLAP)]
        return squares_about(boxes[kept])

    def _refine(self, image: Image, squares: Squares) -> Squares:
        """The squares that the second network still takes for faces, moved to where it sees them."""
        if not len(squares):
            return squares
        # Half the image is still finer than this network sees, and its many crops are cut four times as fast.
        half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        scores, shift = self._rnet.run(crops_of(half, squares // 2, RNET_SIZE))
        likely = scores > self._settings.refine_score
        boxes = _moved(squares[likely], shift[likely])
        return squares_about(boxes[suppress(boxes, scores[likely], overlap=STAGE_OVERLAP)])

    def _measure(self, image: Image, squares: Squares) -> _Faces:
        scores, shift, points = self._onet.run(crops_of(image, squares, ONET_SIZE))
        origin, side = np.split(squares.astype(np.float32)[:, None], [2], axis=2)
        landmarks = points.reshape(-1, 2, 5).transpose(0, 2, 1) * side + origin
        return _Faces(scores, _moved(squares, shift), landmarks)


def _session(
    network: nn.Module,
    store: Store,
    weights_id: str,
    *,
    shape: tuple[int | None, ...],
    runtime: RuntimeSettings,
    batches: tuple[int, ...] = (1,),
) -> Session:
    load_weights(network, store.find(weights_id))
    # Half precision gains nothing on networks so small, and moves landmarks.
    exact = replace(runtime, precision="float32")
    return open_session(network, weights=None, input_shape=shape, settings=exact, batches=batches)


def _moved(squares: Squares, shift: Boxes) -> Boxes:
    """The boxes that a network means: corners of the squares, shifted by shares of their side."""
    corner, side = np.split(squares.astype(np.float32), [2], axis=1)
    moved: Boxes = np.concatenate([corner, corner + side], axis=1) + shift * side
    return moved
