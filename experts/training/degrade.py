"""A photograph made into what a camera, a weak lens and a codec leave of it.

The order of the steps is that of light: lens and motion, sensor sampling, noise, the camera's own sharpening and MJPEG,
a relay that resizes, and last the video codec. The steps and their randomness follow the practical degradation model
(Wang et al. 2021, Real-ESRGAN, sec. 3; Zhang et al. 2021, BSRGAN); the codec is a real one and sees real motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from blending.align import compose, invert
from experts.contract import Image
from experts.training.codec import Codec, h264, vp8
from experts.training.photos import Photo
from experts.training.settings import DegradationSettings, Range

Affine = npt.NDArray[np.float64]

OVERSAMPLING = 2.0
"""Lens and motion blur are applied at this many times the small picture's resolution."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One face in motion, before the codec.

    `frames`: (T, side, side, 3) uint8. `from_photo`: for each frame, the map of the photograph's pixels to the tile's.
    `photo`: the photograph, in the tile's colours. `width`: of the face in the tile, in pixels.
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
) -> Tile:
    """`length` frames of the photograph's face, `width` px wide, drifting through a square of `side` px."""
    picture = _grade(photo.read(), settings.grade, random)
    scale = width / photo.width
    softened, to_softened = _lens(picture, scale, settings, random)
    path = _path(photo, scale, side=side, length=length, settings=settings, random=random)
    moves = [compose(move, invert(to_softened)) for move in path]
    frames = [
        cv2.warpAffine(softened, m, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for m in moves
    ]
    camera = _Camera.draw(settings, random)
    shot = np.stack([camera.shoot(np.asarray(frame, np.uint8), random) for frame in frames])
    return Tile(shot, tuple(path), picture, photo.landmarks, width)


def draw_codec(settings: DegradationSettings, random: np.random.Generator) -> Codec | None:
    """A codec of the settings' mixture; None where the clip stays as the camera left it."""
    if random.random() >= settings.codec_share:
        return None
    if random.random() < settings.vp8_share:
        return vp8(bits_a_pixel=_between(settings.vp8_bits, random))
    low, high = settings.crf
    crf = float(random.triangular(low, (low + high) / 2, high)) if high > low else low
    return h264(crf=crf, preset=str(random.choice(settings.presets)), zero_latency=bool(random.random() < 0.5))


def _between(bounds: Range, random: np.random.Generator) -> float:
    return float(random.uniform(*bounds))


def _maybe(share: float, bounds: Range, random: np.random.Generator) -> float | None:
    """A strength from its range, or None where the step is left out; always two draws, so that seeds stay in step."""
    strength, chance = _between(bounds, random), random.random()
    return strength if chance < share else None


def _grade(picture: Image, amount: float, random: np.random.Generator) -> Image:
    """Exposure, contrast, gamma and white balance of another room, the same for the small picture and its target."""
    gamma = np.exp(random.normal(0.0, amount))
    gains = np.exp(random.normal(0.0, amount / 3, 3)) * np.exp(random.normal(-amount / 3, amount))
    ramp = np.linspace(0.0, 1.0, 256)[:, None] ** gamma * gains
    table = np.clip(np.rint(ramp * 255.0), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, table.reshape(1, 256, 3)), np.uint8)


def _lens(
    picture: Image, scale: float, settings: DegradationSettings, random: np.random.Generator
) -> tuple[Image, Affine]:
    """The picture, shrunk to somewhat above its final scale and blurred there; and the photograph's map into it."""
    share = min(1.0, scale * OVERSAMPLING)
    height, width = picture.shape[:2]
    size = (max(8, round(width * share)), max(8, round(height * share)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    unit = share / scale
    blur = _maybe(settings.blur_share, settings.blur, random) or 0.0
    sigma = float(np.hypot(blur, _between(settings.antialias, random))) * unit
    small = cv2.GaussianBlur(small, (0, 0), sigma) if sigma > 0.15 else small
    if (radius := _maybe(settings.defocus_share, settings.defocus, random)) is not None:
        small = cv2.filter2D(small, -1, _disc(radius * unit))
    if (smear := _maybe(settings.motion_share, settings.motion, random)) is not None:
        small = cv2.filter2D(small, -1, _line(smear * unit, float(random.uniform(0, np.pi))))
    x, y = size[0] / width, size[1] / height
    return np.asarray(small, np.uint8), np.array([[x, 0.0, (x - 1.0) / 2.0], [0.0, y, (y - 1.0) / 2.0]])


def _disc(radius: float) -> npt.NDArray[np.float32]:
    """A disc of that radius with an antialiased rim, its sum 1."""
    reach = int(np.ceil(radius)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0.0, 1.0)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _line(length: float, angle: float) -> npt.NDArray[np.float32]:
    """A straight smear of that length with soft flanks, its sum 1."""
    reach = int(np.ceil(length / 2)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along = np.abs(x * np.cos(angle) + y * np.sin(angle))
    across = np.abs(y * np.cos(angle) - x * np.sin(angle))
    kernel = np.clip(length / 2 + 0.5 - along, 0.0, 1.0) * np.clip(1.0 - across, 0.0, 1.0)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _path(
    photo: Photo,
    scale: float,
    *,
    side: int,
    length: int,
    settings: DegradationSettings,
    random: np.random.Generator,
) -> list[Affine]:
    """Where the photograph lies in each frame: centred on the face, drifting, turning and growing slowly."""
    middle = photo.landmarks.mean(axis=0)
    start = random.uniform(-0.5, 0.5, 2) + (side - 1) / 2 + [0.0, 0.03 * side]
    step = _between(settings.speed, random) * _direction(random)
    tilt = np.deg2rad(random.uniform(-settings.tilt_degrees, settings.tilt_degrees))
    turn, growth = random.normal(0.0, 0.006), 1.0 + random.normal(0.0, 0.004)
    return [
        _similarity(scale * growth**t, tilt + turn * t, middle, start + step * (t - (length - 1) / 2))
        for t in range(length)
    ]


def _direction(random: np.random.Generator) -> npt.NDArray[np.float64]:
    angle = random.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def _similarity(scale: float, angle: float, origin: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> Affine:
    """Scales and turns about `origin`, and takes `origin` to `target`."""
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[c, -s], [s, c]])
    return np.hstack([linear, (target - linear @ origin)[:, None]])


@dataclass(frozen=True, slots=True)
class _Camera:
    """What one camera does to every frame of its clip; None leaves a step out."""

    noise: tuple[float, float] | None
    halo: float | None
    jpeg: float | None
    relay: float | None

    @classmethod
    def draw(cls, settings: DegradationSettings, random: np.random.Generator) -> _Camera:
        luma = _maybe(settings.noise_share, settings.noise_luma, random)
        chroma = _between(settings.noise_chroma, random)
        return cls(
            noise=None if luma is None else (luma, chroma),
            halo=_maybe(settings.halo_share, settings.halo, random),
            jpeg=_maybe(settings.jpeg_share, settings.jpeg, random),
            relay=_maybe(settings.relay_share, settings.relay, random),
        )

    def shoot(self, frame: Image, random: np.random.Generator) -> Image:
        if self.noise is not None:
            frame = _add_noise(frame, *self.noise, random=random)
        if self.halo is not None:
            frame = np.asarray(
                cv2.addWeighted(frame, 1 + self.halo, cv2.GaussianBlur(frame, (0, 0), 1.0), -self.halo, 0), np.uint8
            )
        if self.jpeg is not None:
            frame = _jpeg(frame, self.jpeg)
        return frame if self.relay is None else _relay(frame, self.relay)


def _add_noise(frame: Image, luma: float, chroma: float, *, random: np.random.Generator) -> Image:
    """A sensor's noise: in all channels alike (luma) and in each apart (chroma), stronger in dark parts after gamma."""
    height, width = frame.shape[:2]
    level = frame.astype(np.float32)
    gain = 1.25 - level.mean(axis=2, keepdims=True) * np.float32(0.5 / 255.0)
    noise = random.standard_normal((height, width, 4), np.float32)
    noisy = level + gain * (noise[..., :1] * np.float32(luma) + noise[..., 1:] * np.float32(chroma))
    return np.asarray(np.clip(np.rint(noisy), 0, 255), np.uint8)


def _jpeg(frame: Image, quality: float) -> Image:
    _, coded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, round(quality)])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def _relay(frame: Image, factor: float) -> Image:
    """Shrunk and enlarged again, as a server does that sends a lower rung of its ladder."""
    height, width = frame.shape[:2]
    small = cv2.resize(frame, (round(width / factor), round(height / factor)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
