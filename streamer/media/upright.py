"""From the pictures that a decoder gives to planes as they are to be shown."""

from __future__ import annotations

import av

from streamer.color import ColorSpec, Planes
from streamer.media.convert import convert, refuse_dolby_vision
from streamer.media.orient import Orientation, orient, orientation_of
from streamer.media.tonemap import mastering_peak


class PlaneMaker:
    """Makes pictures of one stream 8-bit and upright; what its first picture says of light holds for all.

    Raises UnsupportedError, here and from `make`, for what would come out wrong.
    """

    def __init__(self, first: av.VideoFrame) -> None:
        refuse_dolby_vision(first)
        self._peak = mastering_peak(first)
        self._orientations: dict[int, Orientation] = {}

    def make(self, picture: av.VideoFrame, decoded: av.VideoFrame) -> tuple[Planes, ColorSpec]:
        """The planes of `picture`, which was made from `decoded`, and what they mean."""
        planes, color = convert(picture, peak=self._peak)
        return orient(planes, self.orientation(decoded)), color

    def orientation(self, decoded: av.VideoFrame) -> Orientation:
        """What the display matrix asks for, looked up once for each angle, since `sidedata` is not for every frame."""
        angle = decoded.rotation
        if angle not in self._orientations:
            self._orientations[angle] = orientation_of(decoded)
        return self._orientations[angle]
