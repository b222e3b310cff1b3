"""Pairs on disk: made once, since codecs are slow, and read from memory maps as often as a training likes."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor

from experts.contract import Image
from experts.training.pairs import Pair, draw
from experts.training.photos import Photo
from experts.training.settings import DegradationSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """`low` (N, S, S, 3) and `high` (N, S * scale, S * scale, 3), uint8 RGB, pair by pair."""

    low: Image
    high: Image

    def __len__(self) -> int:
        return len(self.low)

    def batch(self, places: np.ndarray, *, flipped: np.ndarray | None = None) -> tuple[Tensor, Tensor]:
        """Pairs as float tensors (N, 3, height, width) of 0 to 1; those with `flipped` set are mirrored sideways."""
        low, high = self.low[places], self.high[places]
        if flipped is not None:
            low[flipped] = low[flipped, :, ::-1]
            high[flipped] = high[flipped, :, ::-1]
        return _tensor(low), _tensor(high)


def fill(
    folder: Path,
    photos: Sequence[Photo],
    settings: DegradationSettings,
    *,
    count: int,
    size: int,
    scale: int,
    seed: int,
) -> Pool:
    """A pool of `count` pairs in `folder`; one that is there already is taken if it was made from the same."""
    folder.mkdir(parents=True, exist_ok=True)
    label = _label(photos, settings, count=count, size=size, scale=scale, seed=seed)
    done = folder / "done.json"
    if not done.is_file() or done.read_text(encoding="utf-8") != label:
        done.unlink(missing_ok=True)
        pairs = draw(photos, settings, size=size, scale=scale, random=np.random.default_rng(seed))
        _write(folder, itertools.islice(pairs, count), count=count, size=size, scale=scale)
        done.write_text(label, encoding="utf-8")
    return Pool(np.load(folder / "low.npy", mmap_mode="r"), np.load(folder / "high.npy", mmap_mode="r"))


def _write(folder: Path, pairs: Iterator[Pair], *, count: int, size: int, scale: int) -> None:
    low = open_memmap(folder / "low.npy", "w+", np.uint8, (count, size, size, 3))
    high = open_memmap(folder / "high.npy", "w+", np.uint8, (count, size * scale, size * scale, 3))
    for place, pair in enumerate(pairs):
        low[place], high[place] = pair.low, pair.high
        if (place + 1) % 1000 == 0:
            logger.info("pool: %d of %d pairs", place + 1, count)
    low.flush()
    high.flush()


def _label(
    photos: Sequence[Photo], settings: DegradationSettings, *, count: int, size: int, scale: int, seed: int
) -> str:
    return json.dumps([repr(settings), count, size, scale, seed, [photo.path.name for photo in photos]])


def _tensor(images: Image) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255.0)
