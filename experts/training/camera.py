"""What one camera does to every frame of its clip: its sensor's noise and limits, and its processor's amends.

Noise is made where it arises, in linear light: its variance grows with the light (photons, Poisson) upon a part that
doesn't (reading, Gaussian), as in Foi et al. 2008 (Practical Poissonian-Gaussian noise modeling). The camera's curve,
that of ITU-R BT.709, then makes it strongest in the dark. The processor smears it, sharpens and may code MJPEG, in that
order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from experts.contract import Image
from experts.training.degradation import DegradationSettings
from experts.training.draws import between, maybe

_TOE, _SLOPE, _POWER, _LIFT = 0.018, 4.5, 0.45, 0.099
"""BT.709's curve, item 1.2: below the toe a line, above it a lifted power."""
_GREY = ((0.5 + _LIFT) / (1.0 + _LIFT)) ** (1.0 / _POWER)
"""Middle grey, half of white's level, in linear light."""
_GREY_SLOPE = (1.0 + _LIFT) * _POWER * _GREY ** (_POWER - 1.0)
_FULL = np.float32(65535.0)
"""White in linear light, in whole steps."""
_BANK = 1024
"""Noise is cut from so large a square of it, made once: drawing it anew costs more than all else here."""

Table = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Camera:
    """None leaves a step out. `noise`: deviation at middle grey in levels of 255; `read`: the share of its variance
    there that is the same in any light. `clip`, `veil`: in linear light, white being 1."""

    noise: float | None = None
    read: float = 0.2
    clip: float | None = None
    veil: float | None = None
    denoise: float | None = None
    halo: float | None = None
    jpeg: float | None = None

    @classmethod
    def draw(cls, settings: DegradationSettings, weakness: float, random: np.random.Generator) -> Camera:
        """`weakness`: how much more noise is seen in a scene's weak light than in full light."""
        noise = maybe(settings.noise_share, settings.noise, random)
        return cls(
            noise=None if noise is None else noise * weakness,
            read=between(settings.noise_read, random),
            clip=maybe(settings.clip_share, settings.clip, random),
            veil=maybe(settings.veil_share, settings.veil, random),
            denoise=maybe(settings.denoise_share, settings.denoise, random),
            halo=maybe(settings.halo_share, settings.halo, random),
            jpeg=maybe(settings.jpeg_share, settings.jpeg, random),
        )

    def shoot(self, frame: Image, random: np.random.Generator) -> Image:
        """The frame, (H, W, 3) uint8 RGB, as this camera gives it out."""
        if self.noise is not None:
            frame = _expose(frame, *self._tables(), random)
        elif self.clip is not None or self.veil is not None:
            frame = np.asarray(cv2.LUT(frame, _display(self._light())), np.uint8)
        if self.denoise is not None:
            frame = _denoise(frame, self.denoise)
        if self.halo is not None:
            soft = cv2.GaussianBlur(frame, (0, 0), 1.0)
            frame = np.asarray(cv2.addWeighted(frame, 1 + self.halo, soft, -self.halo, 0), np.uint8)
        return frame if self.jpeg is None else _jpeg(frame, self.jpeg)

    def _light(self) -> Table:
        """What the sensor takes in for each of 256 levels, in linear light of 0 to 1, as far as it can."""
        level = np.arange(256) / 255.0
        light = np.where(level < _SLOPE * _TOE, level / _SLOPE, ((level + _LIFT) / (1.0 + _LIFT)) ** (1.0 / _POWER))
        if self.veil is not None:
            light = self.veil + (1.0 - self.veil) * light
        return np.minimum(light, self.clip or 1.0).astype(np.float32)

    def _tables(self) -> tuple[Table, Table]:
        """For each of 256 levels: its light, and the noise's deviation there."""
        assert self.noise is not None
        light = self._light()
        # A level's deviation over that of linear light is the slope of the curve, here at middle grey.
        at_grey = self.noise / 255.0 / _GREY_SLOPE
        variance = at_grey**2 * (self.read + (1.0 - self.read) * light / _GREY)
        return light, np.sqrt(variance).astype(np.float32)


def _expose(frame: Image, light: Table, deviation: Table, random: np.random.Generator) -> Image:
    """Each channel with noise of its own, as the sensor's pixels have it."""
    noise = cv2.multiply(cv2.LUT(frame, deviation * _FULL), _noise(frame.shape[:2], random))
    steps = cv2.add(cv2.LUT(frame, light * _FULL), noise, dtype=cv2.CV_16U)
    return np.asarray(cv2.LUT(steps, _curve()), np.uint8)


def _noise(shape: tuple[int, ...], random: np.random.Generator) -> Table:
    """Normal noise (H, W, 3) from a random place of the bank."""
    height, width = shape
    bank = _bank(max(_BANK, 2 * height, 2 * width))
    y, x = (int(random.integers(len(bank) - extent + 1)) for extent in (height, width))
    return bank[y : y + height, x : x + width]


@cache
def _bank(side: int) -> Table:
    return np.random.default_rng(2024).standard_normal((side, side, 3), np.float32)


@cache
def _curve() -> Image:
    return _display(np.linspace(0.0, 1.0, int(_FULL) + 1, dtype=np.float32))


def _display(light: Table) -> Image:
    """Linear light as levels of 255."""
    level = np.where(light < _TOE, _SLOPE * light, (1.0 + _LIFT) * light**_POWER - _LIFT)
    return np.asarray(np.rint(255.0 * np.clip(level, 0.0, 1.0)), np.uint8)


def _denoise(frame: Image, strength: float) -> Image:
    """A camera's denoiser: colours blurred, luma smoothed where it is nearly flat, so that skin goes to wax."""
    luma, *chroma = cv2.split(cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb))
    calm = cv2.bilateralFilter(luma, 5, 8.0 + 28.0 * strength, 1.0 + strength)
    blurred = [cv2.GaussianBlur(plane, (0, 0), 0.5 + 1.5 * strength) for plane in chroma]
    return np.asarray(cv2.cvtColor(cv2.merge([calm, *blurred]), cv2.COLOR_YCrCb2RGB), np.uint8)


def _jpeg(frame: Image, quality: float) -> Image:
    _, coded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, round(quality)])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
