"""What an expert and an upscaler promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from blending.align import Template

Image = npt.NDArray[np.uint8]


class ExpertError(Exception):
    """Root of what can go wrong in this room."""


@dataclass(frozen=True, slots=True)
class ExpertInfo:
    """What an expert is and what it really runs on.

    `input_size`: side of the aligned crops that it takes, in pixels. `scale`: side of its output over that of its
    input. `weights`: id of the weights in the manifest, with the first 12 digits of their SHA-256, or "none". `device`,
    `runtime`, `precision`: as really taken, not as asked for. `template`: how its crops are to be cut, see
    `blending.align.TEMPLATES`. `most_at_once`: larger batches are computed in parts of so many faces; 0: never parted.
    """

    id: str
    input_size: int
    scale: int
    weights: str
    licence: str
    device: str
    runtime: str
    precision: str
    template: Template = "face"
    most_at_once: int = 0


class Expert(Protocol):
    """Restores faces.

    `restore` takes (N, S, S, 3) uint8 RGB with S = `info.input_size`, aligned to `info.template`, and returns (N, S *
    scale, S * scale, 3) uint8 RGB in the same order. It raises ExpertError and never returns its input in the
    place of a result.

    `begin` does the same while the caller begins with another expert, too: what it returns waits for the result, and is
    called once. Either may raise ExpertError. The crops stay as they are until then.
    """

    @property
    def info(self) -> ExpertInfo: ...

    def restore(self, crops: Image) -> Image: ...

    def begin(self, crops: Image) -> Callable[[], Image]: ...


class Upscaler(Protocol):
    """Upscales a whole plane: (H, W) or (H, W, C) uint8 to `scale` times its height and width."""

    @property
    def info(self) -> ExpertInfo: ...

    def upscale(self, image: Image) -> Image: ...


def check_crops(crops: Image, info: ExpertInfo) -> None:
    """Raises ExpertError unless `crops` are what the expert that `info` describes takes."""
    wanted = (info.input_size, info.input_size, 3)
    if crops.ndim != 4 or crops.shape[1:] != wanted or crops.dtype != np.uint8:
        sizes = "x".join(map(str, wanted))
        raise ExpertError(f"{info.id} takes crops (N, {sizes}) uint8, not {crops.shape} {crops.dtype}")
