"""Non-maximum suppression over arrays of boxes."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float32]
Share = Literal["union", "smaller"]


def suppress(boxes: Boxes, scores: Scores, *, overlap: float, of: Share) -> npt.NDArray[np.intp]:
    """Indices of the boxes that stay, best score first.

    `boxes`: (N, 4) x0, y0, x1, y1. A box goes when it shares more than `overlap` with a better one that stays: of the two
    boxes' union, or of the smaller box, which also takes a box that lies inside another.
    """
    x0, y0, x1, y1 = boxes.T
    areas = (x1 - x0) * (y1 - y0)
    rest = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while rest.size:
        best, rest = int(rest[0]), rest[1:]
        kept.append(best)
        shared_width = np.minimum(x1[best], x1[rest]) - np.maximum(x0[best], x0[rest])
        shared_height = np.minimum(y1[best], y1[rest]) - np.maximum(y0[best], y0[rest])
        shared = np.maximum(shared_width, 0.0) * np.maximum(shared_height, 0.0)
        if of == "union":
            whole = areas[best] + areas[rest] - shared
        else:
            whole = np.minimum(areas[best], areas[rest])
        rest = rest[shared <= overlap * whole]
    return np.array(kept, np.intp)


def suppress_by_group(
    boxes: Boxes, scores: Scores, groups: npt.NDArray[np.integer], *, overlap: float
) -> npt.NDArray[np.intp]:
    """As `suppress` by union, but boxes of different groups leave each other alone."""
    if not len(boxes):
        return np.empty(0, np.intp)
    # Far enough apart, groups can't touch, and one pass serves all.
    apart = np.float32(boxes.max() - boxes.min() + 1.0)
    shifted = boxes + (groups * apart)[:, None].astype(np.float32)
    return suppress(shifted, scores, overlap=overlap, of="union")
