"""How strongly photographs are spoiled: every range, how often each step is taken, and what their middle is."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, fields
from typing import Any

from experts.contract import ExpertError

Range = tuple[float, float]

KERNELS = ("gaussian", "area", "bicubic", "lanczos", "bilinear")
"""What a picture can be shrunk by, from soft to sharp. All but the last are antialiased."""
COVERS = ("hand", "microphone", "mask")
"""What can stand before a face and belongs to the scene."""


@dataclass(frozen=True, slots=True)
class WidthBand:
    """Face widths drawn evenly between `low` and `high` source pixels, `share` of all draws (shares are normalised)."""

    low: float
    high: float
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class DegradationSettings:
    """How a good photograph becomes what a video call or a camera on a wall shows.

    Ranges are (low, high) and drawn from evenly; each `*_share` says how often its step is taken at all; words in
    tuples go from the mildest to the harshest. Lengths are in pixels of the small picture.

    Scene, in both pictures of a pair: `exposure` in stops, `gamma`, `cast` (spread of the colours' gains, as
    logarithms) under one share; `gradient`, stops that a face's width to one side gains and to the other loses;
    `backlight`, stops that the wall gains and the face loses; `cover`, width of a hand, microphone or mask over the
    face's.

    Lens: `kernels`, `antialias` (sigma of the kernel `gaussian`), `blur` (sigma) and `blur_aspect` (how much longer
    than wide), `defocus` (radius), `motion` (length of a smear along the way that the face goes).

    Sensor and camera: `clip`, the part of white at which the sensor is full, and `veil`, stray light over all, both of
    linear light; `noise`, deviation at middle grey in levels of 255, of whose variance `noise_read` does not depend on
    the light; `denoise`, strength of the camera's denoiser; `halo`, amount of its sharpening; `jpeg`, quality of MJPEG;
    `speck`, thickness of a hair or bar before the lens.

    Network: `crf` of H.264 (most often its middle), or for `rate_share` of it `rate_bits`, `vp8_bits`, `vp9_bits`: bits
    a pixel; `latency_share` of H.264 is coded without B-frames and lookahead; `relay`, the size of an earlier encode's
    picture over this one's, inverted; `key_share`: how often a key frame falls on a picture that is used; `late_share`:
    how often the clip is long; `lost`, macroblocks that never came.

    Motion: `speed` and `sway` in pixels a frame and pixels, `tilt_degrees`; `landmark_noise`, over the face's width, of
    which from frame to frame `landmark_memory` stays.
    """

    exposure: Range = (-1.8, 0.5)
    gamma: Range = (0.85, 1.2)
    cast: Range = (0.0, 0.2)
    light_share: float = 0.45
    gradient: Range = (0.3, 1.6)
    gradient_share: float = 0.2
    backlight: Range = (0.3, 1.2)
    backlight_share: float = 0.08
    covers: tuple[str, ...] = COVERS
    cover: Range = (0.25, 0.6)
    cover_share: float = 0.06
    kernels: tuple[str, ...] = KERNELS
    antialias: Range = (0.3, 0.6)
    blur: Range = (0.3, 1.6)
    blur_aspect: Range = (1.0, 2.0)
    blur_share: float = 0.65
    defocus: Range = (0.6, 1.8)
    defocus_share: float = 0.15
    motion: Range = (1.5, 5.0)
    motion_share: float = 0.2
    clip: Range = (0.65, 0.95)
    clip_share: float = 0.1
    veil: Range = (0.003, 0.02)
    veil_share: float = 0.1
    noise: Range = (0.3, 5.0)
    noise_read: Range = (0.05, 0.5)
    noise_share: float = 0.6
    denoise: Range = (0.2, 1.0)
    denoise_share: float = 0.4
    halo: Range = (0.2, 1.0)
    halo_share: float = 0.25
    jpeg: Range = (45.0, 95.0)
    jpeg_share: float = 0.25
    speck: Range = (0.6, 2.0)
    speck_share: float = 0.06
    codec_share: float = 0.93
    crf: Range = (20.0, 36.0)
    presets: tuple[str, ...] = ("medium", "veryfast", "ultrafast")
    latency_share: float = 0.6
    rate_share: float = 0.25
    rate_bits: Range = (0.06, 0.35)
    vp8_share: float = 0.2
    vp8_bits: Range = (0.04, 0.3)
    vp9_share: float = 0.08
    vp9_bits: Range = (0.03, 0.15)
    relay: Range = (0.85, 1.6)
    relay_share: float = 0.2
    key_share: float = 0.15
    late_share: float = 0.1
    lost: Range = (1.0, 4.0)
    lost_share: float = 0.04
    speed: Range = (0.0, 2.0)
    sway: Range = (0.0, 1.5)
    tilt_degrees: float = 8.0
    landmark_noise: float = 0.015
    landmark_memory: Range = (0.6, 0.9)
    widths: tuple[WidthBand, ...] = (WidthBand(45, 105, 0.75), WidthBand(100, 155, 0.25))

    def __post_init__(self) -> None:
        for name in names_of_ranges():
            _check_range(name, getattr(self, name))
        for name, value in ((field.name, getattr(self, field.name)) for field in fields(self)):
            if name.endswith("_share") and not 0.0 <= value <= 1.0:
                raise ExpertError(f"{name} is a share of 0 to 1, not {value!r}")
        _check_words("kernels", self.kernels, KERNELS)
        _check_words("covers", self.covers, COVERS)
        if not self.presets or not self.widths:
            raise ExpertError("presets and widths hold one entry or more")


def names_of_ranges() -> tuple[str, ...]:
    """The settings that are ranges, in their order."""
    return tuple(field.name for field in fields(DegradationSettings) if field.type == "Range")


def names_of_shares() -> tuple[str, ...]:
    return tuple(field.name for field in fields(DegradationSettings) if field.name.endswith("_share"))


def middle(settings: DegradationSettings) -> DegradationSettings:
    """Middle strength: of each of the draws its median.

    Every range shrinks to its middle; a step that is taken in half the draws or more always is, another never; of words
    from mild to harsh the middle one stays. Motion, tilt, the kind of noise and the landmarks' errors are still drawn,
    from whatever generator the pairs are. The widths stay: they are the bands to measure, and no damage.
    """
    changed: dict[str, Any] = {name: _middles(getattr(settings, name)) for name in names_of_ranges()}
    changed |= {name: float(getattr(settings, name) >= 0.5) for name in names_of_shares()}
    for name in ("kernels", "covers", "presets"):
        words = getattr(settings, name)
        changed[name] = (words[(len(words) - 1) // 2],)
    return dataclasses.replace(settings, **changed)


def spotless(settings: DegradationSettings) -> DegradationSettings:
    """The same without any step that has a share, shrunk by the middle kernel: what the others are compared with."""
    calm = dict.fromkeys(names_of_shares(), 0.0)
    return dataclasses.replace(middle(settings), **calm)  # type: ignore[arg-type]  # the fields' types differ


def _middles(bounds: Range) -> Range:
    half = (bounds[0] + bounds[1]) / 2
    return half, half


def _check_range(name: str, bounds: object) -> None:
    if not isinstance(bounds, tuple) or len(bounds) != 2 or not all(isinstance(b, int | float) for b in bounds):
        raise ExpertError(f"{name} is a range [low, high], not {bounds!r}")
    if bounds[0] > bounds[1]:
        raise ExpertError(f"{name} is a range from low to high, not {list(bounds)}")


def _check_words(name: str, words: tuple[str, ...], known: tuple[str, ...]) -> None:
    if not words or not set(words) <= set(known):
        raise ExpertError(f"{name} are one or more of {', '.join(known)}, not {list(words)!r}")
