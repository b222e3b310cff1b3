"""Samples out of photographs: each shrunk, spoiled and coded as a short clip, of which one frame is looked at."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from blending.align import compose, crop, scaling
from experts.contract import Image
from experts.quality.sample import BANDS, NOBODY, SCALE, Group, Routed, Sample, Subject
from experts.training.codec import through
from experts.training.degrade import Tile, draw_codec, tile
from experts.training.photos import Photo
from experts.training.settings import DegradationSettings

LENGTH = 8
"""Frames of the clip, the last of which is measured on: a stream spends its time far from key frames."""
SEED = 77
"""Of what benches make, if none is said."""
SHARPNESS = ("soft", "sharp")
_ROOM = 2.2
"""Side of the picture over the face's width: as much as a crop needs around it."""

Route = Callable[[Image], Routed]
"""Sends a clip (T, H, W, 3) through the pipeline."""


def stills(
    photos: Sequence[Photo],
    settings: DegradationSettings,
    *,
    seed: int,
    route: Route | None,
    subjects: Mapping[Path, Subject] | None = None,
) -> Iterator[Sample]:
    """Every photograph in every band that its own face is wide enough for, soft and sharp. `subjects`: whom they show.

    What a photograph becomes depends on `seed`, its name and the band alone.
    """
    for group in groups("pictures"):
        for photo in shuffled(photos, seed + group.band[0]):
            if photo.width >= SCALE * group.band[0]:
                sample = still(photo, group, with_sharpness(settings, group.sharpness), seed=seed, route=route)
                yield replace(sample, subject=(subjects or {}).get(photo.path, NOBODY))


def still(
    photo: Photo, group: Group, settings: DegradationSettings, *, seed: int, route: Route | None = None
) -> Sample:
    """The photograph in that group's band, wherever its face is wide enough: twice as wide as the band begins."""
    random = np.random.default_rng((seed, _number(photo, seed), group.band[0]))
    low, high = group.band
    width = float(random.uniform(low, min(high, photo.width / SCALE)))
    side = 16 * int(np.ceil(_ROOM * width / 16))
    # Half as wide again as the truth shows: it is shrunk once more.
    finest = 1.5 * SCALE * width
    face = tile(photo, width, side=side, length=LENGTH, settings=settings, random=random, finest=finest)
    codec = draw_codec(settings, random, used=[LENGTH - 1])
    clip = np.stack(through(codec, list(face.frames)) if codec is not None else list(face.frames))
    exact = face.landmarks @ face.from_photo[-1][:, :2].T + face.from_photo[-1][:, 2]
    measured = exact + random.normal(0.0, settings.landmark_noise * width, exact.shape)
    return Sample(
        name=photo.path.stem,
        group=group,
        width=width,
        low=clip[-1:],
        high=_truth(face, side)[None],
        landmarks=measured[None],
        true_landmarks=exact[None],
        routed=None if route is None else _last(route(clip)),
    )


def count(photos: Sequence[Photo]) -> int:
    """How many `stills` will give."""
    return sum(photo.width >= SCALE * group.band[0] for group in groups("pictures") for photo in photos)


def groups(source: str) -> list[Group]:
    return [Group(source, band, sharpness) for band in BANDS for sharpness in SHARPNESS]


def shuffled(photos: Sequence[Photo], seed: int) -> list[Photo]:
    """In an order that has nothing to do with the table's, so that the first few stand for all."""
    return sorted(photos, key=lambda photo: _number(photo, seed))


def with_sharpness(settings: DegradationSettings, sharpness: str) -> DegradationSettings:
    """As they are for "soft"; for "sharp" no lens blurs and nothing moves too fast."""
    return settings if sharpness == "soft" else replace(settings, blur_share=0.0, defocus_share=0.0, motion_share=0.0)


def _number(photo: Photo, seed: int) -> int:
    return zlib.crc32(f"{seed} {photo.path.name}".encode())


def _truth(face: Tile, side: int) -> Image:
    return crop(face.photo, compose(scaling(SCALE), face.from_photo[-1]), SCALE * side)


def _last(routed: Routed) -> Routed:
    return Routed(routed.pictures[-1:], routed.lanes[-1:], routed.seconds[-1:])
