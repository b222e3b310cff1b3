"""Steadies restored faces over time: what is left of noise and compression between one result and the next.

A motion-compensated recursive temporal filter, as denoisers of video have it (Dubois and Sabri, Noise Reduction in
Image Sequences Using Motion-Compensated Temporal Filtering, IEEE Trans. Commun. 1984), on the result of any expert. The
last result is brought onto the new crop along a dense flow between the low-resolution crops (DIS, Kroeger et al. 2016),
which also undoes what is left of the landmarks' tremble, turns of the head and expressions. Where the crops agree along
that flow, the new result gives way to it: wholly within `_REST` levels, by `_PULL` beyond. The first part is a dead
zone, which an average is not: it stops a tremble, where an average would stretch each step of it over several frames.
Where the crops disagree (a blink, a hand, another light) the new result stands alone.

Luma alone is filtered: colours of 4:2:0 video are smooth, and three channels would take three times as long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from experts.contract import ExpertError, Image

Field = npt.NDArray[np.float32]

_REST = 1.0
"""Levels of 255 by which a result may differ from the last without being followed."""
_PULL = 0.6
"""The share of what is beyond that goes to the last result. More blurs, and lags."""
_ALIKE = 4.5
"""Levels by which low-resolution crops differ, meant over `_WINDOW`, where the last result counts for half."""
_WINDOW = (5, 5)
_FLOW_SIDE = 80
"""The flow is found where the crop, halved and halved again, is of at most so many pixels, and made finer by
interpolation. To halve it once more takes a quarter of the time and costs a hundredth of the steadiness."""


@dataclass(frozen=True, slots=True)
class SteadinessSettings:
    """`strength`: of the steadying, 0 (off) to 1. `hold`: how far a face's landmarks may stray, in shares of the crop's
    side, before its crop is cut at another place; it ends the tremble of the crop where the face is at rest."""

    strength: float = 1.0
    hold: float = 0.0125

    def __post_init__(self) -> None:
        if not 0.0 <= self.strength <= 1.0:
            raise ExpertError(f"strength lies between 0 and 1, not {self.strength}")
        if not 0.0 <= self.hold <= 0.1:
            raise ExpertError(f"hold lies between 0 and 0.1 of a crop, not {self.hold}")


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What one result leaves for the next: `low` (S, S) uint8 and `steadied` (N, N) float32, both luma."""

    low: Image
    steadied: Field


class Steadier:
    """Steadies one crop after another, of any number of faces. Used on one thread."""

    def __init__(self, settings: SteadinessSettings) -> None:
        self._strength = settings.strength
        self._flows: dict[int, cv2.DISOpticalFlow] = {}
        self._grids: dict[int, Field] = {}

    def steady(self, low: Image, restored: Image, memory: Memory | None) -> tuple[Image, Memory]:
        """`restored`, (N, N, 3) uint8 RGB, made of the crop `low`, (S, S, 3), in the light of the face's `memory` of
        the frame before; and the memory for the next. With None, `restored` itself.

        Raises ValueError for a memory of other sizes.
        """
        luma = cv2.cvtColor(low, cv2.COLOR_RGB2GRAY)
        fresh = cv2.cvtColor(restored, cv2.COLOR_RGB2GRAY).astype(np.float32)
        if memory is None or self._strength == 0.0:
            return restored, Memory(np.asarray(luma, np.uint8), fresh)
        if memory.low.shape != luma.shape or memory.steadied.shape != fresh.shape:
            raise ValueError(f"memory of {memory.low.shape} and {memory.steadied.shape}, not {luma.shape}")
        change = self._change(np.asarray(luma, np.uint8), fresh, memory)
        levels = np.rint(change).astype(np.int16)
        steadied = cv2.add(restored, cv2.merge([levels, levels, levels]), dtype=cv2.CV_8U)
        return np.asarray(steadied, np.uint8), Memory(np.asarray(luma, np.uint8), fresh + change)

    def _change(self, luma: Image, fresh: Field, memory: Memory) -> Field:
        """Levels to add to the fresh result."""
        size, large = luma.shape[0], fresh.shape[0]
        still = np.zeros((size, size, 2), np.float32)
        flow = np.asarray(self._flow(size).calc(luma, memory.low, still), np.float32)
        seen = _along(memory.low, self._grid(size) + flow)
        spread = np.asarray(cv2.resize(flow, (large, large), interpolation=cv2.INTER_LINEAR), np.float32)
        spread *= large / size
        spread += self._grid(large)
        change = np.asarray(_along(memory.steadied, spread), np.float32)
        change -= fresh
        rest = np.clip(change, -_REST, _REST)
        change -= rest
        change *= _PULL
        change += rest
        trust = self._strength * _agreement(luma, np.asarray(seen, np.uint8))
        change *= cv2.resize(trust, (large, large), interpolation=cv2.INTER_LINEAR)
        return change

    def _flow(self, size: int) -> cv2.DISOpticalFlow:
        if size not in self._flows:
            flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
            flow.setFinestScale(max(1, math.ceil(math.log2(size / _FLOW_SIDE))))
            self._flows[size] = flow
        return self._flows[size]

    def _grid(self, size: int) -> Field:
        """The place of every pixel, (size, size, 2)."""
        if size not in self._grids:
            places = np.arange(size, dtype=np.float32)
            self._grids[size] = np.stack(np.meshgrid(places, places), axis=2)
        return self._grids[size]


def _agreement(luma: Image, seen: Image) -> Field:
    """From 0, where the crop differs from what the last one led to expect, to 1."""
    error = cv2.boxFilter(cv2.absdiff(luma, seen), cv2.CV_32F, _WINDOW)
    squared = np.square(error * (1.0 / _ALIKE))
    return np.asarray(1.0 / (1.0 + np.square(squared)), np.float32)


def _along(picture: Image | Field, places: Field) -> npt.NDArray[np.generic]:
    """`picture` at `places`. Cubic: linear interpolation would blur a little more with every frame."""
    # OpenCV's stubs forget that both coordinates may be in the first map.
    seen = cv2.remap(picture, places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return np.asarray(seen)
