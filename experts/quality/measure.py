"""Every method on every sample, and what it comes to."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from experts.contract import Image
from experts.quality import metrics
from experts.quality.haarpsi import haarpsi
from experts.quality.identity import MobileFaceNet, Vector
from experts.quality.lpips import Distance
from experts.quality.methods import BICUBIC, Enlarged, Method
from experts.quality.sample import NOBODY, Group, Sample, Subject, enlarged

HEAVY_FACES = 4
"""Faces of each group that a heavy method is given."""
HEAVY_FRAMES = 3


@dataclass(frozen=True, slots=True)
class Figures:
    """`psnr` in dB, `ssim` and `haarpsi` on the luma of the face; `lpips` on its colours; `identity`: cosine to the
    true face; `high_frequencies` over the truth's; `flicker` in levels of 255; `ms` a face. None: not measured."""

    psnr: float
    ssim: float
    haarpsi: float
    lpips: float | None
    identity: float | None
    high_frequencies: float
    flicker: float | None
    ms: float


FIGURES = tuple(field.name for field in fields(Figures))


@dataclass(frozen=True, slots=True)
class Instruments:
    """What needs more than arithmetic; None where it is absent."""

    identity: MobileFaceNet | None = None
    lpips: Distance | None = None


class Measurement(NamedTuple):
    """One method on one sample; `bicubic`: that on the same frames of it."""

    method: str
    group: Group
    sample: str
    lanes: tuple[str, ...]
    own: Figures
    bicubic: Figures
    subject: Subject = NOBODY


Shown = Callable[[Sample, dict[str, Enlarged]], None]


def measure(
    samples: Iterable[Sample],
    methods: Sequence[Method],
    bicubic: Method,
    instruments: Instruments,
    *,
    heavy_faces: int = HEAVY_FACES,
    measured: Shown,
) -> list[Measurement]:
    """What `methods` make of `samples`; `measured` is shown each with all results. The first of each group go to heavy
    methods, too."""
    found: list[Measurement] = []
    seen: dict[Group, int] = {}
    warm: set[str] = set()
    for sample in samples:
        seen[sample.group] = seen.get(sample.group, 0) + 1
        mine = [method for method in methods if not method.heavy or seen[sample.group] <= heavy_faces]
        results = {}
        scale = _Scale(sample, instruments)
        plain = bicubic.enlarge(sample, sample.frames)
        for method in mine:
            frames = min(sample.frames, HEAVY_FRAMES) if method.heavy else sample.frames
            if method.name not in warm:
                # The first call also allocates and compiles.
                method.enlarge(sample, 1)
                warm.add(method.name)
            result = plain if method.name == BICUBIC else method.enlarge(sample, frames)
            results[method.name] = result
            figures = scale.figures(result), scale.figures(plain, frames=frames)
            found.append(
                Measurement(method.name, sample.group, sample.name, result.lanes, *figures, subject=sample.subject)
            )
        measured(sample, results)
    return found


class _Scale:
    """Measures on one sample; what belongs to the truth is computed once."""

    def __init__(self, sample: Sample, instruments: Instruments) -> None:
        self._sample, self._instruments = sample, instruments
        self._areas = [sample.area(frame) for frame in range(sample.frames)]
        self._lumas = [metrics.luma(high[area]) for high, area in zip(sample.high, self._areas, strict=True)]
        self._known: dict[tuple[int, int], Figures] = {}
        self._true_faces: list[Vector] = []

    def figures(self, result: Enlarged, frames: int | None = None) -> Figures:
        """Means over the first `frames`, or all that there are; the time is their median."""
        count = len(result.pictures) if frames is None else frames
        if (id(result), count) not in self._known:
            self._known[id(result), count] = self._figures(result.pictures[:count], result.seconds[:count])
        return self._known[id(result), count]

    def _figures(self, pictures: Image, seconds: Sequence[float]) -> Figures:
        faces = [picture[area] for picture, area in zip(pictures, self._areas, strict=False)]
        both = [(metrics.luma(face), true) for face, true in zip(faces, self._lumas, strict=False)]
        return Figures(
            psnr=statistics.fmean(metrics.psnr(*two) for two in both),
            ssim=statistics.fmean(metrics.ssim(*two) for two in both),
            haarpsi=statistics.fmean(haarpsi(*two) for two in both),
            lpips=self._lpips(faces),
            identity=self._identity(pictures),
            high_frequencies=statistics.fmean(metrics.high_frequencies(*two) for two in both),
            flicker=self._flicker(pictures),
            ms=1e3 * statistics.median(seconds),
        )

    def _lpips(self, faces: Sequence[Image]) -> float | None:
        if self._instruments.lpips is None:
            return None
        true = [high[area] for high, area in zip(self._sample.high, self._areas, strict=True)]
        return statistics.fmean(self._instruments.lpips.distance(*two) for two in zip(faces, true, strict=False))

    def _identity(self, pictures: Image) -> float | None:
        network = self._instruments.identity
        if network is None:
            return None
        points = enlarged(self._sample.true_landmarks)
        if not self._true_faces:
            self._true_faces = [network.embed(*true) for true in zip(self._sample.high, points, strict=True)]
        faces = [network.embed(*restored) for restored in zip(pictures, points, strict=False)]
        return statistics.fmean(float(face @ true) for face, true in zip(faces, self._true_faces, strict=False))

    def _flicker(self, pictures: Image) -> float | None:
        """Each pair of frames at the later one's face."""
        if len(pictures) < 2:
            return None
        steps = []
        for frame in range(1, len(pictures)):
            area = self._areas[frame]
            restored, true = (
                np.stack([metrics.luma(picture[area]) for picture in clip[frame - 1 : frame + 1]])
                for clip in (pictures, self._sample.high)
            )
            # What comes out of the pipeline was rounded to video's levels, which alone trembles by .02 to .05. So is
            # what the others make.
            steps.append(metrics.flicker(metrics.in_video(restored), true))
        return statistics.fmean(steps)
