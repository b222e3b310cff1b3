"""Small things that hide a part of a face, in the input alone, so that the network learns to mend them: a hair or a
thin bar before the lens, and macroblocks that a network lost."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from experts.contract import Image
from experts.training.degradation import DegradationSettings
from experts.training.draws import maybe

_FINER = 4
"""Thin lines are drawn at so many times the resolution."""
_LARGE_FACE = 80.0
"""From this width on a lost block is a whole macroblock of 16 px; on smaller faces, a quarter of one."""
_CONCEALMENTS = (("moved", 0.6), ("flat", 0.3), ("green", 0.1))
_UNWRITTEN = (0, 135, 0)
"""What a decoder shows of planes that are all nought."""


def sprinkle(
    frames: Sequence[Image], width: float, settings: DegradationSettings, random: np.random.Generator
) -> list[Image]:
    """The frames, (side, side, 3) uint8 RGB, with a hair or bar over the face, still while the face moves; as often as
    the settings say."""
    thickness = maybe(settings.speck_share, settings.speck, random)
    own = np.random.default_rng(random.integers(2**32))
    if thickness is None:
        return list(frames)
    cover = _strand(frames[0].shape[0], width, thickness, own)[..., None] * np.float32(own.uniform(0.6, 0.95))
    grey = own.uniform(10, 90) if own.random() < 0.75 else own.uniform(150, 235)
    color = np.float32(grey) * (1.0 + own.normal(0.0, 0.06, 3)).astype(np.float32)
    return [np.asarray(np.clip(frame + (color - frame) * cover, 0, 255), np.uint8) for frame in frames]


def _strand(side: int, width: float, thickness: float, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """What a strand across the face covers, (side, side), 0 to 1: curved as a hair, or straight as a bar."""
    middle = side / 2 + random.uniform(-0.3, 0.3, 2) * width
    angle, half = random.uniform(0, np.pi), random.uniform(0.15, 0.6) * width
    along = np.array([np.cos(angle), np.sin(angle)])
    bend = random.normal(0.0, 0.3) * half if random.random() < 0.6 else 0.0
    s = np.linspace(-1.0, 1.0, 24)[:, None]
    points = middle + along * half * s + np.array([-along[1], along[0]]) * bend * (1.0 - s**2)
    fine = np.zeros((side * _FINER, side * _FINER), np.uint8)
    cv2.polylines(fine, [np.rint(points * _FINER).astype(np.int32)], False, 255, max(1, round(thickness * _FINER)))
    return np.asarray(cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA) * np.float32(1 / 255))


def lose(
    frames: Sequence[Image], width: float, settings: DegradationSettings, random: np.random.Generator
) -> list[Image]:
    """The decoded frames with some macroblocks of the face lost as often as the settings say, until the last frame: no
    key frame mends them. A row of blocks is concealed as decoders do: from elsewhere, evenly, or not at all."""
    count = maybe(settings.lost_share, settings.lost, random)
    own = np.random.default_rng(random.integers(2**32))
    if count is None:
        return list(frames)
    side, block = frames[0].shape[0], 16 if width >= _LARGE_FACE else 8
    kind = str(own.choice([name for name, _ in _CONCEALMENTS], p=[share for _, share in _CONCEALMENTS]))
    y, x = ((side / 2 + own.uniform(-0.4, 0.35, 2) * width) // block * block).astype(int)
    away = own.integers(block // 2, 2 * block, 2) * own.choice([-1, 1], 2)
    rows, columns = slice(y, y + block), slice(x, min(side, x + block * round(count)))
    return [_conceal(frame, rows, columns, kind, away) for frame in frames]


def _conceal(frame: Image, rows: slice, columns: slice, kind: str, away: npt.NDArray[np.int64]) -> Image:
    mended = frame.copy()
    if kind == "moved":
        mended[rows, columns] = np.roll(frame, away, axis=(0, 1))[rows, columns]
    elif kind == "flat":
        mended[rows, columns] = frame[rows, columns].mean(axis=(0, 1))
    else:
        mended[rows, columns] = _UNWRITTEN
    return mended
