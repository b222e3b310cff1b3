"""The light of another room, in both pictures of a pair.

What the light makes of a scene is no damage: a face in the dusk shall be restored as a face in the dusk, or the
restorer would repaint what the camera saw, and a film would change its colours where a face is. So exposure, gamma,
colour cast, gradients and backlight are laid on the photograph, before either picture is made of it. What a sensor
loses in such light (highlights that clip, contrast under stray light, noise in the dark) is `camera.py`'s, and in the
input alone.

Light adds up linearly. As a display's curve is near a power of 2.2, a gain g in linear light is one of g ** (1 / 2.2)
of the stored levels, and no picture need be taken there and back.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from experts.contract import Image
from experts.training.degradation import DegradationSettings
from experts.training.draws import between, maybe

GAMMA = 2.2
_COARSE = 24
"""Fields of light are smooth: they are made on so many points a side, and enlarged."""


@dataclass(frozen=True, slots=True)
class Light:
    """A room's light; None and 0 leave it as it was. In stops: `exposure`, `gradient`, `backlight`.

    `gains`: of red, green and blue in linear light. `towards`: the direction that the gradient grows in, in radians.
    """

    exposure: float = 0.0
    gamma: float = 1.0
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gradient: float | None = None
    towards: float = 0.0
    backlight: float | None = None

    @classmethod
    def draw(cls, settings: DegradationSettings, random: np.random.Generator) -> Light:
        exposure = maybe(settings.light_share, settings.exposure, random)
        gamma, cast = between(settings.gamma, random), between(settings.cast, random)
        tint = random.standard_normal(3)
        gradient = maybe(settings.gradient_share, settings.gradient, random)
        backlight = maybe(settings.backlight_share, settings.backlight, random)
        towards = float(random.uniform(0, 2 * np.pi))
        if exposure is None:
            return cls(gradient=gradient, towards=towards, backlight=backlight)
        red, green, blue = np.exp(cast * (tint - tint.mean())).tolist()
        return cls(exposure, gamma, (red, green, blue), gradient, towards, backlight)

    @property
    def weakness(self) -> float:
        """How much more a sensor's noise is seen than in full light: photons come in numbers whose noise is their root,
        and half of what lacks is made up for by gain."""
        return float(2.0 ** (max(0.0, -self.exposure + (self.backlight or 0.0) / 2) / 2))

    def shine(self, picture: Image, landmarks: npt.NDArray[np.float64], width: float) -> Image:
        """The picture, (H, W, 3) uint8 RGB, in this light; `landmarks` and `width` say where its face is."""
        ramp = np.linspace(0.0, 1.0, 256)[:, None] ** self.gamma
        ramp = ramp * (np.array(self.gains) * 2.0**self.exposure) ** (1 / GAMMA)
        table = np.clip(np.rint(ramp * 255.0), 0, 255).astype(np.uint8)
        lit = cv2.LUT(picture, table.reshape(1, 256, 3))
        if self.gradient is None and self.backlight is None:
            return np.asarray(lit, np.uint8)
        return _multiply(np.asarray(lit, np.uint8), self._field(picture.shape[:2], landmarks, width))

    def _field(
        self, shape: tuple[int, ...], landmarks: npt.NDArray[np.float64], width: float
    ) -> npt.NDArray[np.float32]:
        """What stored levels are multiplied by, (H, W)."""
        y, x = np.mgrid[0.5:_COARSE, 0.5:_COARSE] / _COARSE
        middle = landmarks.mean(axis=0)
        right, down = (x * shape[1] - middle[0]) / width, (y * shape[0] - middle[1]) / width
        stops = np.zeros_like(x)
        if self.gradient is not None:
            along = right * np.cos(self.towards) + down * np.sin(self.towards)
            stops += self.gradient * np.tanh(along)
        if self.backlight is not None:
            # The head is an ellipse about the landmarks, and what is below it is the body, as dark as the head.
            out = np.minimum(np.hypot(right / 0.62, down / 0.85), np.hypot(right / 1.5, (down - 1.9) / 1.1))
            stops += self.backlight * np.tanh(2.5 * (out - 1.0))
        field = np.exp2(stops / GAMMA).astype(np.float32)
        return np.asarray(cv2.resize(field, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)


def _multiply(picture: Image, field: npt.NDArray[np.float32]) -> Image:
    return np.asarray(cv2.multiply(picture, cv2.merge([field] * 3), dtype=cv2.CV_8U), np.uint8)
