"""Large pictures through a hungry upscaler: in tiles that overlap and fade into each other."""

from __future__ import annotations

import logging
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt
import torch

from experts.contract import ExpertError, ExpertInfo, Image, Upscaler

logger = logging.getLogger(__name__)

Ramp = npt.NDArray[np.float32]


class TiledUpscaler:
    """An upscaler that hands another one tiles of at most `tile` x `tile` px, `overlap` px shared between neighbours.

    Of an overlap the outer 3/8 on either side are given away, so that whatever an upscaler does at its borders, up to
    so far, is not seen; over the quarter in the middle one tile fades into the next. When memory runs out the tile is
    halved for good and `degraded` counts it.

    `step`: tiles begin at multiples of so many pixels, for an upscaler that works on cells: a picture cut into other
    cells would be another one.
    """

    def __init__(self, upscaler: Upscaler, *, tile: int, overlap: int, step: int = 1) -> None:
        """Raises ExpertError unless `tile` is at least twice `overlap`, and as many pixels more as `step` may take."""
        self._least = max(2 * overlap, 1) + 2 * (step - 1)
        if overlap < 0 or tile < self._least:
            raise ExpertError(
                f"a tile of {tile} px is too small for an overlap of {overlap} px: take {self._least} or more"
            )
        self._upscaler = upscaler
        self._step = step
        self._tile = tile
        self._overlap = overlap
        self._degraded = 0

    @property
    def info(self) -> ExpertInfo:
        return self._upscaler.info

    @property
    def tile(self) -> int:
        """The side of the tiles now."""
        return self._tile

    @property
    def degraded(self) -> int:
        """How many times the tile was halved."""
        return self._degraded

    def upscale(self, image: Image) -> Image:
        """See `experts.contract.Upscaler`. Raises ExpertError when there is no memory for the smallest tile either."""
        while True:
            try:
                return self._upscale(image)
            except (MemoryError, torch.OutOfMemoryError) as error:
                self._halve(error)
            except cv2.error as error:
                if error.code != cv2.Error.StsNoMem:
                    raise
                self._halve(error)

    def _halve(self, error: Exception) -> None:
        smaller = self._tile // 2
        if smaller < self._least:
            raise ExpertError(f"no memory for tiles of {self._tile} px: free some or take a smaller overlap") from error
        self._degraded += 1
        logger.warning("no memory for tiles of %d px: going on with %d px", self._tile, smaller)
        self._tile = smaller

    def _upscale(self, image: Image) -> Image:
        height, width = image.shape[:2]
        if max(height, width) <= self._tile:
            return self._upscaler.upscale(image)
        scale = self.info.scale
        result = np.zeros((height * scale, width * scale, *image.shape[2:]), np.float32)
        spans = product(self._spans(height), self._spans(width))
        for (y, down), (x, across) in spans:
            part = image[y : y + len(down) // scale, x : x + len(across) // scale]
            enlarged = self._upscaler.upscale(np.ascontiguousarray(part))
            weight = np.outer(down, across).reshape(len(down), len(across), *(1,) * (image.ndim - 2))
            result[y * scale : y * scale + len(down), x * scale : x * scale + len(across)] += enlarged * weight
        return np.clip(np.rint(result), 0, 255).astype(np.uint8)

    def _spans(self, length: int) -> list[tuple[int, Ramp]]:
        """The start of each tile along a side of `length` px, and its weight at each enlarged pixel; the weights of all
        tiles add up to 1 everywhere."""
        tile, scale, step = min(self._tile, length), self.info.scale, self._step
        # So that the last one begins at a multiple, too.
        tile -= (tile - length) % step
        apart = tile - self._overlap - (step - 1)
        count = 1 if length <= tile else 1 + -(-(length - tile) // apart)
        starts = (np.linspace(0, (length - tile) // step, count).round().astype(int) * step).tolist()
        ends = [0, *(start + tile for start in starts[:-1])], [*starts[1:], length]
        return [
            (start, _weight(start, tile, before=before, after=after, length=length, scale=scale))
            for start, before, after in zip(starts, *ends, strict=True)
        ]


def _weight(start: int, tile: int, *, before: int, after: int, length: int, scale: int) -> Ramp:
    """The weight of the tile at `start` along one side; the tile before it ends at `before`, the next starts at
    `after`."""
    at = start + (np.arange(tile * scale) + 0.5) / scale
    weight = np.ones(tile * scale)
    if start > 0:
        weight *= _rise(at, start, before)
    if start + tile < length:
        weight *= 1.0 - _rise(at, after, start + tile)
    return weight.astype(np.float32)


def _rise(at: npt.NDArray[np.float64], low: int, high: int) -> npt.NDArray[np.float64]:
    """0 to 1 over the middle quarter of `low` to `high`."""
    middle, quarter = (low + high) / 2.0, max((high - low) / 4.0, 1e-6)
    return np.clip((at - middle) / quarter + 0.5, 0.0, 1.0)
