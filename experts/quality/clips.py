"""A clip of people made small: shrunk, spoiled as one camera would and coded whole."""

from __future__ import annotations

import cv2
import numpy as np

from blending.align import compose, invert, scaling
from experts.contract import Image
from experts.quality.sample import SCALE
from experts.training import lens
from experts.training.camera import Camera
from experts.training.codec import through
from experts.training.degrade import draw_codec
from experts.training.settings import DegradationSettings

_MULTIPLE = 2 * SCALE
"""Sides of the truth are multiples of it, so that those of the small clip are even, as 4:2:0 video wants."""


def shrink(frame: Image, scale: float) -> Image:
    """A frame (H, W, 3) of the truth: `scale` times as large, 1 at most, and whole in 4:2:0 once it is halved."""
    height, width = (max(_MULTIPLE, round(extent * scale / _MULTIPLE) * _MULTIPLE) for extent in frame.shape[:2])
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def spoil(truth: Image, settings: DegradationSettings, *, seed: int) -> Image:
    """(T, H, W, 3) to (T, H / 2, W / 2, 3): by one lens, one camera and one codec, drawn by `seed`."""
    random = np.random.default_rng(seed)
    camera = Camera.draw(settings, 1.0, random)
    frames = [camera.shoot(_halve(frame, settings, seed), random) for frame in truth]
    codec = draw_codec(settings, random)
    return np.stack(frames if codec is None else through(codec, frames))


def _halve(frame: Image, settings: DegradationSettings, seed: int) -> Image:
    """A lens is the same in every frame: its draws begin anew with each."""
    seen, to_seen = lens.look(frame, 1 / SCALE, 0.0, settings, np.random.default_rng(seed))
    size = (frame.shape[1] // SCALE, frame.shape[0] // SCALE)
    move = compose(scaling(1 / SCALE), invert(to_seen))
    halved = cv2.warpAffine(seen, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(halved, np.uint8)
