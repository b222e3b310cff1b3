"""What is compared: everything that can make a small face larger."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from blending import align
from blending.blender import BlendSettings, make_blender
from blending.patch import Patch
from experts.contract import Expert, ExpertError, Image
from experts.kernels import KernelUpscaler
from experts.quality.sample import SCALE, Points, Sample

BICUBIC = "bicubic"
ROUTED = "as routed"
_CONTEXT = 12
"""Source pixels around a face that a network sees, too; Real-ESRGAN's own program takes 10 around its tiles."""


@dataclass(frozen=True, slots=True)
class Enlarged:
    """`pictures` (K, 2H, 2W, 3) uint8 RGB; `seconds`: what the method itself took for each; `lanes`: those taken."""

    pictures: Image
    seconds: tuple[float, ...]
    lanes: tuple[str, ...] = ()


class Method(Protocol):
    """`heavy`: too slow for every face; it is given a few."""

    @property
    def name(self) -> str: ...

    @property
    def heavy(self) -> bool: ...

    def enlarge(self, sample: Sample, frames: int) -> Enlarged:
        """The first `frames` of the sample, each made for itself. Raises ExpertError."""
        ...


@dataclass(frozen=True, slots=True)
class Absent:
    """A method that can't run here, and what to do that it can."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class PictureMethod:
    """One that enlarges any picture, (H, W, 3) to (2H, 2W, 3), and knows nothing of faces."""

    name: str
    upscale: Callable[[Image], Image]
    heavy: bool = False

    def enlarge(self, sample: Sample, frames: int) -> Enlarged:
        pictures, seconds = [], []
        for low in sample.low[:frames]:
            started = time.perf_counter()
            pictures.append(self.upscale(low))
            seconds.append(time.perf_counter() - started)
        return Enlarged(np.stack(pictures), tuple(seconds))


@dataclass(frozen=True, slots=True)
class NetworkMethod:
    """An upscaler of whole pictures that is given the face alone, which is what is measured; around it the picture is
    bicubic."""

    name: str
    upscale: Callable[[Image], Image]
    heavy: bool = False

    def enlarge(self, sample: Sample, frames: int) -> Enlarged:
        pictures, seconds = [], []
        for frame, low in enumerate(sample.low[:frames]):
            rows, columns = (_around(part, end) for part, end in zip(sample.area(frame), low.shape, strict=False))
            face = np.ascontiguousarray(low[rows, columns])
            started = time.perf_counter()
            large = self.upscale(face)
            seconds.append(time.perf_counter() - started)
            picture = bicubic(low)
            picture[_enlarged(rows), _enlarged(columns)] = large
            pictures.append(picture)
        return Enlarged(np.stack(pictures), tuple(seconds))


class ExpertMethod:
    """An expert on every face, whatever the gate would say: aligned, restored and laid on as the main job does it.

    Its seconds are those of the restoring alone.
    """

    heavy = False

    def __init__(self, name: str, expert: Expert) -> None:
        self.name = name
        self._expert = expert
        self._blender = make_blender(BlendSettings())

    def enlarge(self, sample: Sample, frames: int) -> Enlarged:
        pictures, seconds = [], []
        for low, landmarks in zip(sample.low[:frames], sample.landmarks[:frames], strict=True):
            picture, took = self._restore(low, landmarks)
            pictures.append(picture)
            seconds.append(took)
        return Enlarged(np.stack(pictures), tuple(seconds))

    def _restore(self, low: Image, landmarks: Points) -> tuple[Image, float]:
        info = self._expert.info
        to_crop = align.similarity(landmarks, info.input_size, info.template)
        crops = align.crop(low, to_crop, info.input_size)[None]
        started = time.perf_counter()
        restored = self._expert.restore(crops)[0]
        took = time.perf_counter() - started
        part = align.face_part(info.input_size, info.template)
        x, y, side = (info.scale * share for share in part)
        to_part = align.compose(align.shift(-part.x, -part.y), to_crop)
        to_low = align.compose(align.invert(to_part), align.scaling(1.0 / info.scale))
        patch = Patch(restored[y : y + side, x : x + side], align.compose(align.scaling(SCALE), to_low))
        return self._blender.blend(bicubic(low), [patch]), took


class RoutedMethod:
    """What the pipeline made of the sample, each face on the lane that the gate sends it on."""

    name = ROUTED
    heavy = False

    def enlarge(self, sample: Sample, frames: int) -> Enlarged:
        if sample.routed is None:
            raise ExpertError(f"{sample.name} was not sent through the pipeline")
        routed = sample.routed
        return Enlarged(routed.pictures[:frames], routed.seconds[:frames], routed.lanes[:frames])


def _around(part: slice, end: int) -> slice:
    """What a network sees of rows or columns, in source pixels, to give those of the result."""
    return slice(max(part.start // SCALE - _CONTEXT, 0), min(-(-part.stop // SCALE) + _CONTEXT, end))


def _enlarged(part: slice) -> slice:
    return slice(SCALE * part.start, SCALE * part.stop)


def bicubic(picture: Image) -> Image:
    size = SCALE * picture.shape[1], SCALE * picture.shape[0]
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def kernels() -> list[Method]:
    """Those that learned nothing, as the main job has them for the background."""
    return [
        PictureMethod(BICUBIC, KernelUpscaler("bicubic", SCALE).upscale),
        PictureMethod("lanczos", KernelUpscaler("lanczos", SCALE).upscale),
    ]
