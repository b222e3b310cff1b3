"""Non-maximum suppression over arrays of boxes, (N, 4) x0, y0, x1, y1.

A box goes when it shares too much with one of higher score that stays.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]


def suppress(boxes: Boxes, scores: Scores, *, overlap: float) -> Indices:
    """Indices of the boxes that stay, best first; `overlap`: the largest intersection over union of two that do."""
    return suppress_by_group(boxes, scores, np.zeros(len(boxes), np.int32), overlap=overlap)


def suppress_by_group(boxes: Boxes, scores: Scores, groups: npt.NDArray[np.int32], *, overlap: float) -> Indices:
    """As `suppress`, but boxes of different groups leave each other alone."""
    if not len(boxes):
        return np.empty(0, np.intp)
    corner_and_size = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    # OpenCV's annotations know lists only; arrays go through without being copied.
    kept = cv2.dnn.NMSBoxesBatched(corner_and_size, scores, groups, 0.0, overlap)  # type: ignore[arg-type]
    return np.asarray(kept, np.intp)


def suppress_nested(boxes: Boxes, scores: Scores, *, overlap: float) -> Indices:
    """Indices of the boxes that stay, best first; `overlap`: the largest share of the smaller of two that do, so that a
    box inside another goes whatever their sizes."""
    x0, y0, x1, y1 = boxes.T
    areas = (x1 - x0) * (y1 - y0)
    rest = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while rest.size:
        best, rest = int(rest[0]), rest[1:]
        kept.append(best)
        width = np.minimum(x1[best], x1[rest]) - np.maximum(x0[best], x0[rest])
        height = np.minimum(y1[best], y1[rest]) - np.maximum(y0[best], y0[rest])
        shared = np.maximum(width, 0.0) * np.maximum(height, 0.0)
        rest = rest[shared <= overlap * np.minimum(areas[best], areas[rest])]
    return np.array(kept, np.intp)
