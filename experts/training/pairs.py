"""Pairs to learn from: the aligned crop that inference would see, and the one that it should give; and rows of them.

Faces are laid side by side into one clip, so that one run of the encoder serves many; each is then cropped out of
decoded frames exactly as the pipeline crops, with the landmarks as unsure as a detector's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blending.align import FACE_WIDTH_SHARE, compose, crop, scaling, similarity
from experts.contract import Image
from experts.training.degradation import DegradationSettings
from experts.training.degrade import Tile
from experts.training.draws import between
from experts.training.mosaic import COLUMNS as COLUMNS
from experts.training.mosaic import ROWS as ROWS
from experts.training.mosaic import casts, show
from experts.training.motion import Affine, Points
from experts.training.photos import Photo

LENGTH = 6
TAKEN = (2, 5)
"""Which decoded frames are used: in the middle of a group of pictures, where a stream spends its time."""
LATE = 9
"""How many frames later they are where the settings ask for a late one: coded again and again without a key frame."""
LEAD = 2
"""Frames before a sequence, in which the encoder finds its rate."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """`low` (S, S, 3) and `high` (S * scale, S * scale, 3) uint8 RGB of the same square of the scene.

    `width`: of the face in source pixels.
    """

    low: Image
    high: Image
    width: float


@dataclass(frozen=True, slots=True, eq=False)
class Sequel:
    """A face in successive frames: `low` (K, S, S, 3) and `high` (K, S * scale, S * scale, 3) uint8 RGB, each aligned
    by its own landmarks.

    `to_crop` (K, 2, 3): maps the stream's pixels to each `low`'s, as the pipeline knows them; by `to_crop[t]` after the
    inverse of `to_crop[t - 1]` the last result lies as the new crop does, but for the face's own motion, which the
    landmarks tell alone. `width`: of the face in source pixels.
    """

    low: Image
    high: Image
    to_crop: npt.NDArray[np.float64]
    width: float


def draw(
    photos: Sequence[Photo], settings: DegradationSettings, *, size: int, scale: int, random: np.random.Generator
) -> Iterator[Pair]:
    """Pairs without end; the same for the same `random`."""
    for chosen, widths in casts(photos, settings, random):
        yield from clip(chosen, widths, settings, size=size, scale=scale, random=random)


def draw_sequels(
    photos: Sequence[Photo],
    settings: DegradationSettings,
    *,
    size: int,
    scale: int,
    frames: int,
    random: np.random.Generator,
) -> Iterator[Sequel]:
    """Rows of `frames` successive pairs without end; the same for the same `random`."""
    for chosen, widths in casts(photos, settings, random):
        yield from sequels(chosen, widths, settings, size=size, scale=scale, frames=frames, random=random)


def clip(
    photos: Sequence[Photo],
    widths: Sequence[float],
    settings: DegradationSettings,
    *,
    size: int,
    scale: int,
    random: np.random.Generator,
) -> Iterator[Pair]:
    """Two pairs of every photograph, at most COLUMNS * ROWS of them, all from one clip. `widths`: one a photograph."""
    late = LATE if random.random() < settings.late_share else 0
    taken = [late + t for t in TAKEN]
    shown = show(photos, widths, settings, taken, finest=_finest(size, scale), random=random)
    for face, seen in shown:
        for t, frame in zip(taken, seen, strict=True):
            landmarks = _measured(face, t, random.normal(0.0, settings.landmark_noise, face.landmarks.shape))
            low, high, _ = _crops(face, t, frame, landmarks, size=size, scale=scale)
            yield Pair(low, high, face.width)


def sequels(
    photos: Sequence[Photo],
    widths: Sequence[float],
    settings: DegradationSettings,
    *,
    size: int,
    scale: int,
    frames: int,
    random: np.random.Generator,
) -> Iterator[Sequel]:
    """One row of `frames` pairs of every photograph, as `clip` takes them.

    The landmarks err as a tracker's do: what they are off by stays from frame to frame but for a share, and so does the
    crop (a first-order autoregression, the spread of which is that of single pairs).
    """
    late = LATE if random.random() < settings.late_share else 0
    taken = [late + LEAD + t for t in range(frames)]
    shown = show(photos, widths, settings, taken, finest=_finest(size, scale), random=random)
    for face, seen in shown:
        errors = _drifting(frames, between(settings.landmark_memory, random), random) * settings.landmark_noise
        made = [
            _crops(face, t, frame, _measured(face, t, error), size=size, scale=scale)
            for t, frame, error in zip(taken, seen, errors, strict=True)
        ]
        low, high, maps = (np.stack(each) for each in zip(*made, strict=True))
        yield Sequel(low, high, maps, face.width)


def _finest(size: int, scale: int) -> float:
    """Width of the widest face worth keeping: a half more than the truth shows, which is shrunk once more."""
    return 1.5 * FACE_WIDTH_SHARE * size * scale


def _drifting(frames: int, memory: float, random: np.random.Generator) -> Points:
    """(frames, 5, 2) of deviation 1, each frame's the last one's times `memory` and something new."""
    fresh = random.standard_normal((frames, 5, 2))
    drifted = [fresh[0]]
    for new in fresh[1:]:
        drifted.append(memory * drifted[-1] + np.sqrt(1.0 - memory**2) * new)
    return np.stack(drifted)


def _measured(face: Tile, t: int, error: Points) -> Points:
    """The landmarks in a frame, as a detector that errs by `error` face widths finds them."""
    exact = face.landmarks @ face.from_photo[t][:, :2].T + face.from_photo[t][:, 2]
    return np.asarray(exact + error * face.width)


def _crops(face: Tile, t: int, seen: Image, landmarks: Points, *, size: int, scale: int) -> tuple[Image, Image, Affine]:
    to_crop = similarity(landmarks, size)
    to_target = compose(scaling(scale), compose(to_crop, face.from_photo[t]))
    return crop(seen, to_crop, size), crop(face.photo, to_target, size * scale), to_crop
