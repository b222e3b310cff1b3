"""A patch as it lies in the background: its rectangle, its mask there, and its share where faces overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from blending.align import compose, invert, scaling
from blending.mask import Bounds, FaceMask, face_mask, footprint
from blending.patch import Image, Patch, Planes

_PRESHRINK_BELOW = 0.75
"""Scale from which a patch is averaged down before it is warped; above it bicubic does not alias to speak of."""
_DECISIVE = 6
"""Power of the priorities: how narrow the border between overlapping faces is."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A patch with its rectangle `bounds` of the background, its `mask`, and its `weight` there, (h, w) float32."""

    patch: Patch
    bounds: Bounds
    mask: FaceMask
    weight: Planes

    def picture(self, image: Image) -> Image:
        """`image`, (N, N) or (N, N, 3) uint8 in patch pixels, as it lies in the rectangle."""
        to_frame, scale = self.patch.to_frame, self.patch.scale
        if scale < _PRESHRINK_BELOW:
            size = max(round(image.shape[0] * scale), 1)
            to_frame = compose(to_frame, invert(scaling(size / image.shape[0])))
            image = np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
        warped = _warp(image, to_frame, self.bounds, flags=cv2.INTER_CUBIC, border=cv2.BORDER_REPLICATE)
        return np.asarray(warped, np.uint8)

    def fade(self) -> Planes:
        """The mask's `fade` in the rectangle."""
        return _warp_mask(self.mask.fade, self.patch, self.bounds)

    def within(self, other: Layer) -> Planes:
        """This layer's priority in the rectangle of `other`: deepest in the largest face counts most."""
        depth = _warp_mask(self.mask.depth, self.patch, other.bounds)
        return np.asarray((depth * (self.patch.side / other.patch.side) ** 2) ** _DECISIVE, np.float32)


def layers(patches: Sequence[Patch], *, width: int, height: int, feather: float) -> list[Layer]:
    """The layers of the patches that touch a `width` x `height` background, their weights shared out where they overlap,
    so that no pixel takes more than one face whole and every border between two faces is smooth."""
    apart = [_layer(patch, width=width, height=height, feather=feather) for patch in patches]
    inside = [layer for layer in apart if layer is not None]
    return [_shared(layer, [other for other in inside if other is not layer]) for layer in inside]


def _layer(patch: Patch, *, width: int, height: int, feather: float) -> Layer | None:
    x0, y0, x1, y1 = footprint(patch)
    if x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0:
        return None
    # A face partly outside keeps its whole rectangle, so that no method meets a border at the frame's edge; one far larger
    # than the frame is cut, so that memory stays bounded.
    bounds = max(x0, -width), max(y0, -height), min(x1, 2 * width), min(y1, 2 * height)
    mask = face_mask(patch.image.shape[0], feather)
    return Layer(patch, bounds, mask, _warp_mask(mask.weight, patch, bounds))


def _shared(layer: Layer, others: Sequence[Layer]) -> Layer:
    rivals = [other for other in others if _touch(layer.bounds, other.bounds)]
    if not rivals:
        return layer
    own = layer.within(layer)
    total = own + sum((rival.within(layer) for rival in rivals), np.float32(1e-30))
    return replace(layer, weight=np.asarray(layer.weight * (own / total), np.float32))


def _touch(a: Bounds, b: Bounds) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _warp_mask(plane: Planes, patch: Patch, bounds: Bounds) -> Planes:
    warped = _warp(plane, patch.to_frame, bounds, flags=cv2.INTER_LINEAR, border=cv2.BORDER_CONSTANT)
    return np.asarray(warped, np.float32)


def _warp(
    image: npt.NDArray[np.uint8] | Planes, to_frame: npt.NDArray[np.float64], bounds: Bounds, *, flags: int, border: int
) -> cv2.typing.MatLike:
    x0, y0, x1, y1 = bounds
    to_bounds = to_frame - np.array([[0.0, 0.0, x0], [0.0, 0.0, y0]])
    return cv2.warpAffine(image, to_bounds, (x1 - x0, y1 - y0), flags=flags, borderMode=border)
