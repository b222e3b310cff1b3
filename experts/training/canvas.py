"""Shapes with rounded shading, texture and a shadow, laid on a picture about a face."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from experts.contract import Image
from experts.training.motion import Points

Plane = npt.NDArray[np.float32]
_FRACTION = 4
"""Bits of a pixel's fraction that shapes are drawn with."""


class Canvas:
    """A copy of a picture that shapes are laid on, in the face's measure: widths of it, from the landmarks' middle."""

    def __init__(self, picture: Image, landmarks: Points, width: float, random: np.random.Generator) -> None:
        self.picture = picture.copy()
        self.middle, self.unit, self.random = landmarks.mean(axis=0), width, random
        self.turn = float((landmarks[2, 0] - self.middle[0]) / width)
        """How far the nose is to the side: where a turned face has its middle."""

    def skin(self) -> Points:
        """The colour of the face between eyes and mouth."""
        x, y = np.rint(self.middle).astype(int)
        reach = max(2, int(0.15 * self.unit))
        patch = self.picture[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach]
        return np.asarray(np.median(patch.reshape(-1, 3), axis=0)) if patch.size else np.full(3, 150.0)

    def capsule(self, ends: Points, radii: tuple[float, float]) -> Plane:
        """What a stretched drop covers, from one round end to the other; 0 to 1."""
        mask = self._empty()
        (x0, y0), (x1, y1) = ends
        across = np.array([y0 - y1, x1 - x0]) / max(1e-6, float(np.hypot(x1 - x0, y1 - y0)))
        outline = [ends[0] + across * radii[0], ends[1] + across * radii[1]]
        outline += [ends[1] - across * radii[1], ends[0] - across * radii[0]]
        cv2.fillConvexPoly(mask, self._fixed(np.array(outline)), 255, cv2.LINE_AA, _FRACTION)
        for end, radius in zip(ends, radii, strict=True):
            at = self._fixed(end[None])[0]
            cv2.circle(mask, at.tolist(), round(radius * self.unit * 2**_FRACTION), 255, -1, cv2.LINE_AA, _FRACTION)
        return np.asarray(mask * np.float32(1 / 255))

    def outline(self, points: Points) -> Plane:
        """What a rounded polygon covers."""
        mask = self._empty()
        cv2.fillPoly(mask, [self._fixed(points)], 255, cv2.LINE_AA, _FRACTION)
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.008 * self.unit)) * np.float32(1 / 255))

    def lines(self, lines: list[Points], thickness: float) -> Plane:
        mask = self._empty()
        weight = max(1, round(thickness * self.unit))
        cv2.polylines(mask, [self._fixed(line) for line in lines], False, 255, weight, cv2.LINE_AA, _FRACTION)
        return np.asarray(mask * np.float32(1 / 255))

    def lay(
        self, mask: Plane, color: npt.ArrayLike, roundness: float, *, gloss: float = 0.0, grain: float = 0.03
    ) -> None:
        """Lays a body of that outline on the picture: lit from above at one side, darker at its rim, over a shadow.

        `roundness`: how deep its rounding reaches in from the rim. `gloss`: of a highlight. `grain`: of its texture.
        """
        x0, y0, wide, high = cv2.boundingRect((mask > 0.01).astype(np.uint8))
        margin = int(0.12 * self.unit)
        rows = slice(max(0, y0 - margin), y0 + high + margin)
        columns = slice(max(0, x0 - margin), x0 + wide + margin)
        if wide == 0 or high == 0:
            return
        cut = np.ascontiguousarray(mask[rows, columns])
        height = cv2.GaussianBlur(cut, (0, 0), max(0.6, roundness * self.unit / 2))
        slope_x, slope_y = (cv2.Sobel(height, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
        side = self.random.choice([-1.0, 1.0])
        lit = (slope_x * side * 0.4 + slope_y * 0.9) * np.float32(0.07 * roundness * self.unit)
        shade = 0.74 + 0.28 * np.clip(2.0 * height - 1.0, 0.0, 1.0) + lit
        texture = cv2.resize(self._texture(cut.shape), cut.shape[::-1], interpolation=cv2.INTER_LINEAR)
        body = np.asarray(color, np.float32) * (shade * (1.0 + grain * texture))[..., None]
        body += 255.0 * gloss * np.clip(lit * 2.0 - 0.1, 0.0, 1.0)[..., None] ** 2
        shadow = 1.0 - 0.3 * cv2.GaussianBlur(cut, (0, 0), max(1.0, 0.035 * self.unit))
        under = self.picture[rows, columns] * shadow[..., None]
        self.picture[rows, columns] = np.clip(under + (body - under) * cut[..., None], 0, 255).astype(np.uint8)

    def _texture(self, shape: tuple[int, ...]) -> Plane:
        coarse = (max(2, shape[0] // 2), max(2, shape[1] // 2))
        return np.asarray(cv2.GaussianBlur(self.random.standard_normal(coarse, np.float32), (0, 0), 0.8) * 2.0)

    def _empty(self) -> Image:
        return np.zeros(self.picture.shape[:2], np.uint8)

    def _fixed(self, points: Points) -> npt.NDArray[np.int32]:
        pixels = self.middle + np.asarray(points) * self.unit
        return np.asarray(np.rint(np.clip(pixels, -1e4, 1e4) * 2**_FRACTION), np.int32)
