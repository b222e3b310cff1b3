"""What an embedder promises: faces as vectors, by networks that were taught to tell people apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from blending import align
from experts.contract import ExpertError, Image

Points = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EmbedderInfo:
    """`size`: numbers of a vector. `threshold`: the cosine below which two faces are rather not one person's, see
    `experts.identity.IdentitySettings`. The rest as in `experts.contract.ExpertInfo`."""

    id: str
    size: int
    threshold: float
    weights: str
    licence: str
    device: str
    runtime: str
    precision: str


class Embedder(Protocol):
    """Makes vectors of faces, whose products are the cosines that tell how alike they are.

    `embed` takes (N, S, S, 3) uint8 RGB crops of any S, and `template`, (5, 2): where the five landmarks of a face lie
    in them, in shares of S. It returns (N, D) float32 of length 1, and lets other Python threads go on meanwhile.
    Raises ExpertError.
    """

    @property
    def info(self) -> EmbedderInfo: ...

    def embed(self, crops: Image, template: Points = align.TEMPLATE) -> Vectors: ...


def realigned(crops: Image, template: Points, points: Points, side: int) -> Image:
    """(N, side, side, 3) crops in which the landmarks lie at `points` where they lay at `template`, both (5, 2) in
    shares of the side; by the similarity that fits best."""
    size = crops.shape[1]
    to_ours = align.similarity(template * size - 0.5, size)
    to_theirs = align.compose(align.invert(align.similarity(points * side - 0.5, size)), to_ours)
    return np.stack([align.crop(crop, to_theirs, side) for crop in crops])


def laid_on(crops: Image, restored: Image, strength: float) -> Image:
    """`restored` (N, R, R, 3) as a viewer has it where `strength` of it is laid over `crops` (N, S, S, 3), enlarged."""
    if strength >= 1.0:
        return restored
    side = restored.shape[1]
    under = np.stack([cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC) for crop in crops])
    return np.asarray(cv2.addWeighted(restored, strength, under, 1.0 - strength, 0.0), np.uint8)


def unit(vectors: Vectors, id: str) -> Vectors:
    """(N, D) vectors at length 1. Raises ExpertError where they have none."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0.0)).all():
        raise ExpertError(f"{id} gave numbers that say nothing; check its weights, or set precision to float32")
    return np.asarray(vectors / lengths, np.float32)
