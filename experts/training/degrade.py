"""A photograph made into what a camera, a weak lens and a codec leave of it.

The order of the steps is that of light: the scene and its light, lens and motion, sensor and camera, and last the video
codecs that bring it here. The steps and their randomness follow the practical degradation model (Wang et al. 2021,
Real-ESRGAN, sec. 3; Zhang et al. 2021, BSRGAN); the codec is a real one and sees real motion.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from blending.align import compose, invert
from experts.contract import Image
from experts.training import covers, lens, specks
from experts.training.camera import Camera
from experts.training.codec import Codec, h264, h264_at_rate, vp8, vp9
from experts.training.degradation import DegradationSettings
from experts.training.draws import between, maybe
from experts.training.light import Light
from experts.training.motion import Affine, Motion
from experts.training.photos import Photo, near

_MARGIN = 0.62
"""How far about a face its photograph is used, over the square's side: half of that, tilted and moved."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One face in motion, before the codec.

    `frames`: (T, side, side, 3) uint8. `from_photo`: for each frame, the map of the photograph's pixels to the tile's.
    `photo`: the photograph, in the tile's light and with what covers its face. `width`: of the face in the tile, in
    pixels.
    """

    frames: Image
    from_photo: tuple[Affine, ...]
    photo: Image
    landmarks: npt.NDArray[np.float64]
    width: float


def tile(
    photo: Photo,
    width: float,
    *,
    side: int,
    length: int,
    settings: DegradationSettings,
    random: np.random.Generator,
    finest: float | None = None,
) -> Tile:
    """`length` frames of the photograph's face, `width` px wide, drifting through a square of `side` px.

    `finest`: the widest face, in pixels, that the photograph will be used at; what it has beyond is let go, in time.
    """
    taken = near(photo, _MARGIN * side / width, finest)
    light = Light.draw(settings, random)
    scene = covers.cover(taken.picture, taken.landmarks, taken.width, settings, random)
    scene = light.shine(scene, taken.landmarks, taken.width)
    scale = width / taken.width
    motion = Motion.draw(settings, random)
    seen, to_seen = lens.look(scene, scale, motion.towards, settings, random)
    path = motion.path(taken.landmarks, scale, side=side, length=length)
    frames = [_sample(seen, compose(move, invert(to_seen)), side) for move in path]
    frames = specks.sprinkle(frames, width, settings, random)
    camera = Camera.draw(settings, light.weakness, random)
    shot = np.stack([camera.shoot(frame, random) for frame in frames])
    return Tile(shot, tuple(path), scene, taken.landmarks, width)


def _sample(picture: Image, move: Affine, side: int) -> Image:
    sampled = cv2.warpAffine(picture, move, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.uint8)


def draw_codec(settings: DegradationSettings, random: np.random.Generator, *, used: Sequence[int] = ()) -> Codec | None:
    """A codec of the settings' mixture, perhaps after a relay's; None where the clip stays as the camera left it.

    `used`: the frames that will be looked at; the key frame that the settings may ask for falls on one of them.
    """
    if random.random() >= settings.codec_share:
        return None
    codec, size = _encoder(settings, random), maybe(settings.relay_share, settings.relay, random)
    if random.random() < settings.key_share and used:
        codec = dataclasses.replace(codec, keys=(int(random.choice(used)),))
    if size is None:
        return codec
    return dataclasses.replace(codec, before=_encoder(settings, random), before_size=1.0 / size)


def _encoder(settings: DegradationSettings, random: np.random.Generator) -> Codec:
    kind, at_rate = random.random(), random.random() < settings.rate_share
    preset, zero_latency = str(random.choice(settings.presets)), bool(random.random() < settings.latency_share)
    if kind < settings.vp8_share:
        return vp8(bits_a_pixel=between(settings.vp8_bits, random))
    if kind < settings.vp8_share + settings.vp9_share:
        return vp9(bits_a_pixel=between(settings.vp9_bits, random))
    if at_rate:
        bits = between(settings.rate_bits, random)
        return h264_at_rate(bits_a_pixel=bits, preset=preset, zero_latency=zero_latency)
    low, high = settings.crf
    crf = float(random.triangular(low, (low + high) / 2, high)) if high > low else low
    return h264(crf=crf, preset=preset, zero_latency=zero_latency)
