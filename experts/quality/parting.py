"""From which sharpness on one expert restores a face better than another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from experts.contract import Image
from experts.quality import metrics, stills
from experts.quality.methods import Method
from experts.quality.sample import BANDS, SCALE, Group, Sample
from experts.training.degradation import DegradationSettings
from experts.training.photos import Photo

BLURS = (0.0, 0.6, 1.2, 1.8, 2.6, 3.6)
"""Sigma of the lens, in source pixels, from none to where nothing fine is left."""
EDGES = (0.0, 10.0, 20.0, 40.0, 60.0, 80.0, 110.0, 150.0, 200.0, 300.0, float("inf"))
"""Of the table's lines, in sharpness."""
BAND = BANDS[-1]
"""The widths at which the gate asks for sharpness."""
LEAST_WIDTH = SCALE * BAND[0]
"""Of a photograph's face, in pixels: it is halved."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One face: its `sharpness`, and by how much the second expert is nearer to the truth than the first, in dB of PSNR
    and in SSIM, on the luma of the face."""

    sharpness: float
    psnr: float
    ssim: float


def blurred_faces(photos: Sequence[Photo], settings: DegradationSettings, *, seed: int) -> Iterator[Sample]:
    """Every photograph through each of the `BLURS` and then all else that `settings` say. Faces are `LEAST_WIDTH` wide
    or more."""
    group = Group("pictures", BAND, "soft")
    for photo in photos:
        for sigma in BLURS:
            yield stills.still(photo, group, _through_lens(settings, sigma), seed=seed)


def compare(sample: Sample, sharpness: float, one: Method, other: Method) -> Compared:
    """What `other` makes of the sample against what `one` does."""
    area = sample.area(0)
    true = metrics.luma(sample.high[0][area])
    first, second = (metrics.luma(_restored(method, sample)[area]) for method in (one, other))
    return Compared(
        sharpness,
        psnr=metrics.psnr(second, true) - metrics.psnr(first, true),
        ssim=metrics.ssim(second, true) - metrics.ssim(first, true),
    )


def best_bound(compared: Sequence[Compared]) -> float:
    """The sharpness from which faces are to go to the second expert so that all together come nearest to the truth, by
    the mean PSNR; infinite where none should."""
    ordered = sorted(compared, key=lambda face: face.sharpness, reverse=True)
    gained = np.cumsum([face.psnr for face in ordered])
    best = int(np.argmax(gained)) if len(ordered) else 0
    return ordered[best].sharpness if len(ordered) and gained[best] > 0 else float("inf")


def table(compared: Sequence[Compared]) -> Iterator[str]:
    """A line for each range of sharpness that has a face."""
    yield f"{'sharpness':>12} {'faces':>6} {'PSNR dB':>8} {'SSIM':>8}"
    for low, high in pairwise(EDGES):
        there = [face for face in compared if low <= face.sharpness < high]
        if there:
            psnr, ssim = (float(np.mean([getattr(face, name) for face in there])) for name in ("psnr", "ssim"))
            yield f"{low:5.0f} to {high:3.0f} {len(there):6d} {psnr:+8.2f} {ssim:+8.4f}"


def _through_lens(settings: DegradationSettings, sigma: float) -> DegradationSettings:
    if sigma == 0.0:
        return replace(settings, blur_share=0.0)
    return replace(settings, blur=(sigma, sigma), blur_share=1.0)


def _restored(method: Method, sample: Sample) -> Image:
    return np.asarray(method.enlarge(sample, 1).pictures[0], np.uint8)
