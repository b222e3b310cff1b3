"""A whole frame enlarged, without its faces: its planes one by one, or its picture as RGB."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from streamer.color import Planes, from_rgb, to_rgb
from streamer.frame import Frame, Plane


class PlaneUpscaler(Protocol):
    """Upscales the planes of a frame, chroma where its samples really lie. `degraded` counts what had to be done less
    well for want of memory. `lighter` does the same for less, or is the upscaler itself."""

    @property
    def degraded(self) -> int: ...

    def upscale(self, image: Plane) -> Plane: ...

    def upscale_chroma(self, image: Plane, *, luma_size: tuple[int, int]) -> Plane: ...

    def lighter(self) -> PlaneUpscaler: ...


@runtime_checkable
class PictureUpscaler(Protocol):
    """Upscales the (H, W, 3) uint8 RGB of a whole frame: for networks that learned on pictures of all three. The rest
    as `PlaneUpscaler`."""

    @property
    def degraded(self) -> int: ...

    def upscale_rgb(self, image: Plane) -> Plane: ...

    def lighter(self) -> PlaneUpscaler: ...


FrameUpscaler = PlaneUpscaler | PictureUpscaler


def enlarge(frame: Frame, upscaler: FrameUpscaler) -> Planes:
    """The planes of the frame, enlarged; by way of RGB where the upscaler wants it, in the frame's own colours."""
    if isinstance(upscaler, PictureUpscaler):
        picture = to_rgb(frame.planes, frame.color, (0, 0, frame.width, frame.height))
        return from_rgb(upscaler.upscale_rgb(picture), frame.color)
    size = (frame.height, frame.width)
    return (
        upscaler.upscale(frame.y),
        upscaler.upscale_chroma(frame.u, luma_size=size),
        upscaler.upscale_chroma(frame.v, luma_size=size),
    )
