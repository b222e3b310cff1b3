"""Blenders: patches laid over a background so that nobody sees where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol, get_args

import cv2
import numpy as np

from blending.color import low_frequencies
from blending.feather import feather, weigh
from blending.layer import Layer, layers
from blending.mask import Bounds
from blending.multiband import multiband
from blending.patch import Image, Patch, Planes
from blending.poisson import poisson

Method = Literal["multiband", "poisson", "feather"]
Channels = Literal["rgb", "luma"]

_METHODS: Mapping[Method, Callable[[Planes, Planes], Planes]] = MappingProxyType(
    {"multiband": multiband, "poisson": poisson, "feather": feather}
)


class BlendingError(Exception):
    """Root of what can go wrong in this room."""


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise BlendingError(f"{name} is one of {', '.join(choices)}, not {value!r}")


@dataclass(frozen=True, slots=True)
class BlendSettings:
    """How patches are laid over the background.

    `channels`: "luma" takes brightness only and leaves all colour to the background, in two thirds of the time.
    `color_match`: 0 keeps the patch's broad light and colour, 1 takes the background's. `feather`: the share, above 0
    and up to 1, of the ring around the face over which the patch gives way; smaller is harder. Raises BlendingError
    where a value makes no sense.
    """

    method: Method = "multiband"
    channels: Channels = "rgb"
    color_match: float = 1.0
    feather: float = 0.65

    def __post_init__(self) -> None:
        _check_choice("method", self.method, get_args(Method))
        _check_choice("channels", self.channels, get_args(Channels))
        if not 0.0 <= self.color_match <= 1.0:
            raise BlendingError(f"color_match lies between 0 and 1, not {self.color_match}")
        if not 0.0 < self.feather <= 1.0:
            raise BlendingError(f"feather lies above 0 and up to 1, not {self.feather}")


LIGHT = BlendSettings(method="feather", channels="luma", color_match=0.0)
"""The cheapest blender, for when there is no time: a third of the default's."""


class Blender(Protocol):
    """Lays patches over a background of their kind, uint8, and returns a new picture of its size: (h, w, 3) RGB, (h, w)
    brightness or (h, w, 2) colour differences. It never writes into what it is given, and outside the patches' masks
    the pixels are the background's own, bit for bit."""

    def blend(self, background: Image, patches: Sequence[Patch]) -> Image: ...


def make_blender(settings: BlendSettings) -> Blender:
    """The blender that `settings` describe."""
    return _DifferenceBlender(settings, _METHODS[settings.method])


@dataclass(frozen=True, slots=True)
class _DifferenceBlender:
    """All methods here are linear in the difference of patch and background: each turns it, under the mask, into what
    is added.

    The finest octave is cross-faded by the mask alone, as the finest band of a pyramid is; the method gets the
    difference at half size, where it costs a quarter and, one octave being taken out, loses nothing.
    """

    settings: BlendSettings
    method: Callable[[Planes, Planes], Planes]

    def blend(self, background: Image, patches: Sequence[Patch]) -> Image:
        _check_kind(background, patches)
        height, width = background.shape[:2]
        result = background.copy()
        if self.settings.channels == "luma" and background.shape[2:] == (2,):
            return result
        for layer in layers(patches, width=width, height=height, feather=self.settings.feather):
            if layer.patch.strength > 0.0:
                _add(result, self._increment(background, layer), layer.bounds)
        return result

    def _increment(self, background: Image, layer: Layer) -> Planes:
        """What to add to the background in the layer's rectangle, of its kind."""
        fine = self._difference(_cut(background, layer.bounds), layer)
        size = fine.shape[1], fine.shape[0]
        increment = self._plain(fine, layer, size) if self._is_plain else self._by_octaves(fine, layer, size)
        # The same brightness added to R, G and B leaves both colour differences as they are.
        return increment if increment.ndim == background.ndim else np.asarray(cv2.merge([increment] * 3), np.float32)

    @property
    def _is_plain(self) -> bool:
        return self.method is feather and self.settings.color_match == 0.0

    def _plain(self, fine: Planes, layer: Layer, size: tuple[int, int]) -> Planes:
        """Feathering treats all octaves alike: in one step it takes a half of the time."""
        return weigh(fine, np.asarray(cv2.pyrUp(layer.weight, dstsize=size), np.float32), factor=layer.patch.strength)

    def _by_octaves(self, fine: Planes, layer: Layer, size: tuple[int, int]) -> Planes:
        coarse = np.asarray(cv2.pyrDown(fine), np.float32)
        expanded = np.asarray(cv2.pyrUp(coarse, dstsize=size), np.float32)
        weight = np.asarray(cv2.pyrUp(layer.weight, dstsize=size), np.float32)
        weigh(np.subtract(fine, expanded, out=fine), weight, factor=layer.patch.strength)
        cv2.pyrUp(self._coarse_increment(coarse, layer), dst=expanded, dstsize=size)
        return np.asarray(np.add(fine, expanded, out=fine))

    def _difference(self, under: Image, layer: Layer) -> Planes:
        over = layer.patch.image
        if self.settings.channels == "luma" and under.ndim == 3:
            over, under = _luma(over), _luma(under)
        return np.asarray(cv2.subtract(layer.picture(over), under, dtype=cv2.CV_32F), np.float32)

    def _coarse_increment(self, coarse: Planes, layer: Layer) -> Planes:
        if self.settings.color_match > 0.0:
            broad = low_frequencies(coarse, layer.weight)
            cv2.scaleAdd(broad, -self.settings.color_match, coarse, dst=coarse)
        return weigh(self.method(coarse, layer.weight), layer.fade, factor=layer.patch.strength)


def _luma(image: Image) -> Image:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def _check_kind(background: Image, patches: Sequence[Patch]) -> None:
    if background.shape[2:] not in ((), (2,), (3,)) or background.ndim < 2 or background.dtype != np.uint8:
        raise BlendingError(
            f"a background is (h, w), (h, w, 2) or (h, w, 3) uint8, not {background.shape} {background.dtype}"
        )
    for patch in patches:
        if patch.image.shape[2:] != background.shape[2:]:
            raise BlendingError(f"a patch {patch.image.shape} can't be laid on a background {background.shape}")


def _cut(background: Image, bounds: Bounds) -> Image:
    """The rectangle of the background; what lies outside repeats the border."""
    height, width = background.shape[:2]
    x0, y0, x1, y1 = bounds
    inside = background[max(y0, 0) : y1, max(x0, 0) : x1]
    apron = max(-y0, 0), max(y1 - height, 0), max(-x0, 0), max(x1 - width, 0)
    if not any(apron):
        return inside
    return np.asarray(cv2.copyMakeBorder(inside, *apron, cv2.BORDER_REPLICATE), np.uint8)


def _add(result: Image, increment: Planes, bounds: Bounds) -> None:
    x0, y0, x1, y1 = bounds
    target = result[max(y0, 0) : y1, max(x0, 0) : x1]
    height, width = target.shape[:2]
    top, left = max(-y0, 0), max(-x0, 0)
    target[:] = cv2.add(target, increment[top : top + height, left : left + width], dtype=cv2.CV_8U)
