"""A clip of people made small: shrunk, and spoiled as one camera would, before it is coded.

One recipe for everybody, so that figures of clips compare, whatever ranges a training has: slightly blurred and noised,
and H.264 at CRF 30; and the same again through a softer lens.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from blending.align import compose, invert, scaling
from experts.contract import Image
from experts.quality.sample import SCALE
from experts.training import lens
from experts.training.camera import Camera
from experts.training.degradation import DegradationSettings, spotless

BLUR = {"soft": 1.0, "sharp": 0.5}
"""Sigma of the lens's blur, in pixels of the small clip, by the sharpness of the group."""
NOISE = 2.0
"""Deviation of the sensor's noise at middle grey, in levels of 255."""
CRF = 30.0
_MULTIPLE = 2 * SCALE
"""Sides of the truth are multiples of it, so that those of the small clip are even, as 4:2:0 video wants."""


def recipe(sharpness: str) -> DegradationSettings:
    """What is done to a clip of that group before it is coded."""
    blur = BLUR[sharpness]
    calm = spotless(DegradationSettings())
    return replace(
        calm, blur=(blur, blur), blur_aspect=(1.0, 1.0), blur_share=1.0, noise=(NOISE, NOISE), noise_share=1.0
    )


def shrink(frame: Image, scale: float) -> Image:
    """A frame (H, W, 3) of the truth: `scale` times as large, 1 at most, and whole in 4:2:0 once it is halved."""
    height, width = (max(_MULTIPLE, round(extent * scale / _MULTIPLE) * _MULTIPLE) for extent in frame.shape[:2])
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def shoot(truth: Image, settings: DegradationSettings, *, seed: int) -> list[Image]:
    """(T, H, W, 3) to T frames (H / 2, W / 2, 3): by one lens and one camera, drawn by `seed`; not yet coded."""
    random = np.random.default_rng(seed)
    camera = Camera.draw(settings, 1.0, random)
    return [camera.shoot(_halve(frame, settings, seed), random) for frame in truth]


def _halve(frame: Image, settings: DegradationSettings, seed: int) -> Image:
    """A lens is the same in every frame: its draws begin anew with each."""
    seen, to_seen = lens.look(frame, 1 / SCALE, 0.0, settings, np.random.default_rng(seed))
    size = (frame.shape[1] // SCALE, frame.shape[0] // SCALE)
    move = compose(scaling(1 / SCALE), invert(to_seen))
    halved = cv2.warpAffine(seen, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(halved, np.uint8)
