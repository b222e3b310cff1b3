"""Batches for the network: cut out of the pool where it is quickest, and mirrored there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from experts.contract import Image
from experts.training.pool import Pool


class Feed:
    """Pairs of a pool as float tensors on `device`, (N, C, height, width) of 0 to 1.

    An accelerator gets the whole pool into its memory if that is at most `device_gb` gigabytes; else, and on the
    processor, batches are read from the disk's cache, on their way to an accelerator through pinned memory.
    """

    def __init__(self, pool: Pool, device: torch.device, *, device_gb: float) -> None:
        self.device = device
        self.resident = device.type != "cpu" and pool.low.nbytes + pool.high.nbytes <= device_gb * 1e9
        self._pool = pool
        self._low, self._high = (_load(part, device) if self.resident else None for part in (pool.low, pool.high))

    def __len__(self) -> int:
        return len(self._pool)

    def batch(
        self, places: npt.NDArray[np.int64], *, flipped: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The pairs at `places`; those with `flipped` set are mirrored sideways."""
        low, high = self._cut(self._low, self._pool.low, places), self._cut(self._high, self._pool.high, places)
        if flipped is None:
            return _pictures(low), _pictures(high)
        mirror = torch.from_numpy(flipped).to(self.device, non_blocking=True).reshape(-1, 1, 1, 1)
        return tuple(_pictures(torch.where(mirror, part.flip(2), part)) for part in (low, high))  # type: ignore[return-value]  # two

    def _cut(self, resident: Tensor | None, stored: Image, places: npt.NDArray[np.int64]) -> Tensor:
        """(N, height, width, C) uint8 on the device."""
        if resident is not None:
            return resident[torch.from_numpy(places).to(self.device, non_blocking=True)]
        cut = torch.from_numpy(stored[places])
        if self.device.type == "cpu":
            return cut
        return cut.pin_memory().to(self.device, non_blocking=True)


def _load(part: Image, device: torch.device) -> Tensor:
    """In pieces, so that the host never holds it twice."""
    loaded = torch.empty(part.shape, dtype=torch.uint8, device=device)
    for first in range(0, len(part), 1000):
        loaded[first : first + 1000] = torch.from_numpy(np.array(part[first : first + 1000]))
    return loaded


def _pictures(images: Tensor) -> Tensor:
    return images.permute(0, 3, 1, 2).float().div_(255.0)
