"""Patches onto a frame's planes: brightness at full size, colour at the half size that 4:2:0 gives it.

A patch becomes Y, U and V by the frame's own matrix and is laid on plane by plane. The frame is never converted, so
what no patch touches stays as it is to the bit, and only half as many numbers are blended as in RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from blending import align
from blending.blender import Blender
from blending.compose import Region, regions
from blending.patch import Image, Patch
from streamer.color import LEGAL_CHROMA, LEGAL_LUMA, ColorSpec, Plane, from_rgb_matrix

Planes = tuple[Plane, Plane, Plane]

# A chroma sample lies level with every second luma column and half-way between two rows (MPEG-2's siting).
_TO_CHROMA = np.array([[0.5, 0.0, 0.0], [0.0, 0.5, -0.25]])


def lay_on(canvas: Planes, patches: Sequence[Patch], *, color: ColorSpec, blender: Blender) -> None:
    """Blend RGB `patches` into writeable planes, in place."""
    height, width = canvas[0].shape
    for place in regions(patches, width=width, height=height):
        mine = [patches[i] for i in place.patches]
        _lay_luma(canvas[0], mine, place, color=color, blender=blender)
        _lay_chroma(canvas, mine, place, color=color, blender=blender)


def _lay_luma(luma: Plane, patches: Sequence[Patch], place: Region, *, color: ColorSpec, blender: Blender) -> None:
    under = luma[place.y0 : place.y1, place.x0 : place.x1]
    over = [_luma(patch, color).shifted(-place.x0, -place.y0) for patch in patches]
    _put(under, blender.blend(under, over), LEGAL_LUMA[color.full_range])


def _lay_chroma(canvas: Planes, patches: Sequence[Patch], place: Region, *, color: ColorSpec, blender: Blender) -> None:
    area = slice(place.y0 // 2, (place.y1 + 1) // 2), slice(place.x0 // 2, (place.x1 + 1) // 2)
    under = [plane[area] for plane in canvas[1:]]
    over = [_chroma(patch, color).shifted(-place.x0 / 2, -place.y0 / 2) for patch in patches]
    after = blender.blend(np.asarray(cv2.merge(under), np.uint8), over)
    for index, plane in enumerate(under):
        _put(plane, np.asarray(cv2.extractChannel(after, index), np.uint8), LEGAL_CHROMA[color.full_range])


def _luma(patch: Patch, color: ColorSpec) -> Patch:
    """The patch's brightness, (N, N)."""
    matrix = from_rgb_matrix(color.matrix, color.full_range)
    return replace(patch, image=np.asarray(cv2.transform(patch.image, matrix[:1]), np.uint8))


def _chroma(patch: Patch, color: ColorSpec) -> Patch:
    """The patch's two colour differences, (ceil(N / 2), ceil(N / 2), 2), placed in the chroma planes."""
    side = (patch.image.shape[0] + 1) // 2
    half = cv2.resize(patch.image, (side, side), interpolation=cv2.INTER_AREA)
    matrix = from_rgb_matrix(color.matrix, color.full_range)
    image: Image = np.asarray(cv2.transform(half, matrix[1:]), np.uint8)
    from_half = align.scaling(patch.image.shape[0] / side)
    return Patch(image, align.compose(_TO_CHROMA, align.compose(patch.to_frame, from_half)), patch.strength)


def _put(plane: Plane, after: Plane, legal: tuple[int, int]) -> None:
    """Write what a blend made, within the legal range or where the plane was."""
    low, high = np.minimum(plane, np.uint8(legal[0])), np.maximum(plane, np.uint8(legal[1]))
    np.minimum(np.maximum(after, low, out=low), high, out=plane)
