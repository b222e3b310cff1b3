"""Rotation metadata: what a display matrix asks for, done to planes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideData

from streamer.color import Planes, allocate
from streamer.media.sidedata import payload

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True, slots=True)
class Orientation:
    """How to show a stored picture: mirror it left to right if `mirrored`, then turn it by `rotation` degrees
    clockwise, 0, 90, 180 or 270."""

    rotation: int = 0
    mirrored: bool = False

    @property
    def is_upright(self) -> bool:
        return not self.rotation and not self.mirrored

    @property
    def swaps_sides(self) -> bool:
        """Whether height becomes width."""
        return self.rotation in (90, 270)


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """What the frame's display matrix asks for, to the nearest quarter turn; upright where it has none."""
    matrix = payload(frame, SideData.DISPLAYMATRIX)
    if matrix is None:
        # Counter-clockwise, and known even where `payload` is not; but a mirrored photograph is not told from others.
        return Orientation(round(-frame.rotation / 90) % 4 * 90)
    return from_matrix(struct.unpack_from("=9i", matrix))


def from_matrix(matrix: tuple[int, ...]) -> Orientation:
    """The orientation of a display matrix, nine 32-bit numbers as ISO/IEC 14496-12 has them: a stored point (x, y) is
    shown at (a x + c y, b x + d y), y downwards."""
    a, b, _, c, d = matrix[:5]
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    degrees = np.degrees(np.arctan2(b - c, a + d)) if (a or b or c or d) else 0.0
    return Orientation(round(degrees / 90) % 4 * 90, mirrored)


def orient(planes: Planes, orientation: Orientation) -> Planes:
    """Planes as they are to be shown; the same ones where nothing is to be done.

    Chroma keeps its place to within half a luma pixel, as in every player.
    """
    if orientation.is_upright:
        return planes
    height, width = planes[0].shape
    turned = allocate(width, height) if orientation.swaps_sides else allocate(height, width)
    for source, target in zip(planes, turned, strict=True):
        picture = cv2.flip(source, 1) if orientation.mirrored else source
        if orientation.rotation:
            cv2.rotate(picture, _TURNS[orientation.rotation], dst=target)
        else:
            np.copyto(target, picture)
    return turned
