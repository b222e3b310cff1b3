"""Enlarging by a whole factor with a windowed kernel, one pass per phase.

Enlarged s times, every s-th pixel sees its neighbours from the same distance: so each of the s phases is a plain
filter at the size of the source, rows first, then columns. That is twice as fast as OpenCV's Lanczos, and may begin
at any phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from experts.contract import Image


@dataclass(frozen=True, slots=True, eq=False)
class Phase:
    """One filter, and which of its taps lies on the pixel that it is written to."""

    taps: npt.NDArray[np.float32]
    anchor: int


def bicubic_phases(offsets: Sequence[float]) -> list[Phase]:
    """Cubic convolution over 4 pixels (Keys 1981) with OpenCV's a = -0.75, sampled `offsets` pixels from each pixel."""
    return [_phase(offset, _cubic(_distances(offset, 2)), 2) for offset in offsets]


def lanczos_phases(offsets: Sequence[float], lobes: int = 4) -> list[Phase]:
    """Lanczos-windowed sinc (Duchon 1979) over 2 * `lobes` pixels, sampled `offsets` pixels from each pixel."""
    return [_phase(offset, _lanczos(_distances(offset, lobes), lobes), lobes) for offset in offsets]


def centred(scale: int) -> list[float]:
    """Where the pixels of the enlarged plane lie, relative to the source pixel that they stem from, when the planes'
    edges coincide, as cv2.resize has it."""
    return [(k + 0.5) / scale - 0.5 for k in range(scale)]


def left_sited(scale: int) -> list[float]:
    """The same along the rows of 4:2:0 chroma, whose samples lie on every other luma pixel (MPEG-2; H.264 chroma type
    0), not between two.

    Sample i lies on luma pixel 2i; luma pixel X of the enlarged picture stems from (X + 1/2) / s - 1/2; so chroma
    sample j of the enlarged picture stems from i = j / s - (s - 1) / 4s. With `centred` all colour would move by (s -
    1) / 4s.
    """
    return [(k - (scale - 1) / 4.0) / scale for k in range(scale)]


def enlarge(plane: Image, rows: Sequence[Phase], columns: Sequence[Phase]) -> Image:
    """`plane` (H, W), enlarged to len(`columns`) times its height and len(`rows`) times its width; beyond the border
    the border repeats. It is rounded to 8 bits between the two passes."""
    height, width = plane.shape
    # Interleaving by merge is five times faster than by strided columns.
    wide = cv2.merge([_filter(plane, phase.taps[None], anchor=(phase.anchor, 0)) for phase in rows])
    wide = wide.reshape(height, width * len(rows))
    result = np.empty((height * len(columns), wide.shape[1]), np.uint8)
    for k, phase in enumerate(columns):
        _filter(
            np.asarray(wide, np.uint8), phase.taps[:, None], anchor=(0, phase.anchor), into=result[k :: len(columns)]
        )
    return result


def _filter(
    plane: Image, kernel: npt.NDArray[np.float32], *, anchor: tuple[int, int], into: Image | None = None
) -> Image:
    filtered = cv2.filter2D(plane, cv2.CV_8U, kernel, dst=into, anchor=anchor, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(filtered, np.uint8)


def _distances(offset: float, reach: int) -> npt.NDArray[np.float64]:
    """From the sampled point to the 2 * `reach` pixels around it."""
    return np.arange(1 - reach, reach + 1, dtype=np.float64) - (offset % 1.0)


def _phase(offset: float, taps: npt.NDArray[np.float64], reach: int) -> Phase:
    return Phase((taps / taps.sum()).astype(np.float32), reach - 1 - int(np.floor(offset)))


def _cubic(distances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    a, x = -0.75, np.abs(distances)
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    return np.where(x <= 1.0, near, np.where(x < 2.0, (((x - 5.0) * x + 8.0) * x - 4.0) * a, 0.0))


def _lanczos(distances: npt.NDArray[np.float64], lobes: int) -> npt.NDArray[np.float64]:
    return np.where(np.abs(distances) < lobes, np.sinc(distances) * np.sinc(distances / lobes), 0.0)
