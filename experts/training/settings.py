"""Everything that a training run is steered by, read from one TOML file."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experts.contract import ExpertError
from experts.networks import NETWORKS

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class WidthBand:
    """Face widths drawn evenly between `low` and `high` source pixels, `share` of all draws (shares are normalised)."""

    low: float
    high: float
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class DegradationSettings:
    """How a good photograph becomes what a video call shows. Ranges are (low, high).

    Lengths are in pixels of the small picture. `antialias` and `blur`: Gaussian sigmas of the down-scaling kernel and
    of an unsharp lens. `defocus`: radius of a disc. `motion`: length of a straight smear. `noise_luma`, `noise_chroma`:
    standard deviations in levels of 255. `jpeg`: quality of a camera's MJPEG. `halo`: amount of a camera's own
    sharpening. `relay`: factor by which a stream was shrunk and enlarged again before it came here. `crf` (most often
    its middle), `vp8_bits`: strength of the codec, the latter in bits a pixel. Each `*_share` says how often its step
    is applied at all.
    """

    antialias: Range = (0.3, 0.6)
    blur: Range = (0.2, 1.4)
    blur_share: float = 0.6
    defocus: Range = (0.6, 1.8)
    defocus_share: float = 0.15
    motion: Range = (1.5, 5.0)
    motion_share: float = 0.2
    noise_luma: Range = (0.0, 7.0)
    noise_chroma: Range = (0.0, 4.0)
    noise_share: float = 0.6
    jpeg: Range = (45.0, 95.0)
    jpeg_share: float = 0.3
    halo: Range = (0.2, 1.0)
    halo_share: float = 0.25
    relay: Range = (1.15, 1.7)
    relay_share: float = 0.2
    grade: float = 0.12
    speed: Range = (0.0, 2.0)
    tilt_degrees: float = 8.0
    codec_share: float = 0.93
    crf: Range = (20.0, 36.0)
    presets: tuple[str, ...] = ("ultrafast", "veryfast", "medium")
    vp8_share: float = 0.2
    vp8_bits: Range = (0.04, 0.2)
    landmark_noise: float = 0.015
    widths: tuple[WidthBand, ...] = (WidthBand(45, 105, 0.75), WidthBand(100, 155, 0.25))


@dataclass(frozen=True, slots=True)
class OptimiserSettings:
    """The course of a training. `minutes` is its budget of wall-clock time, the rate falls with it along a cosine;
    `steps` ends it sooner if reached. `compiled` has torch fuse the steps, a fifth faster where there is a C++
    compiler. `ema_steps` is the time constant of the averaged weights that are shipped.
    """

    minutes: float = 50.0
    steps: int = 1_000_000
    batch: int = 8
    rate: float = 1.5e-3
    warmup_steps: int = 150
    final_rate_share: float = 0.01
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    ema_steps: int = 500
    fft_weight: float = 0.02
    gradient_weight: float = 0.3
    log_steps: int = 100
    checkpoint_minutes: float = 2.0
    threads: int = 1
    compiled: bool = False


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """One run: which network (a key of `experts.networks.NETWORKS`), how many pairs, how spoiled, how it learns."""

    network: str
    pairs: int = 8192
    seed: int = 20
    degradation: DegradationSettings = dataclasses.field(default_factory=DegradationSettings)
    optimiser: OptimiserSettings = dataclasses.field(default_factory=OptimiserSettings)

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            near = difflib.get_close_matches(self.network, NETWORKS, n=1, cutoff=0.0)
            raise ExpertError(f"there is no network {self.network!r}; did you mean {near[0]!r}?")


def load(path: Path) -> TrainingSettings:
    """The settings in a TOML file; ExpertError for what is missing or unknown."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ExpertError(f"{path} cannot be read as TOML: {error}") from error
    degradation = _section(tree.pop("degradation", {}), path)
    optimiser = tree.pop("optimiser", {})
    try:
        return TrainingSettings(
            degradation=DegradationSettings(**degradation), optimiser=OptimiserSettings(**optimiser), **tree
        )
    except TypeError as error:
        raise ExpertError(f"{path}: {error}; compare with the fields in experts/training/settings.py") from error


def digest(settings: TrainingSettings) -> str:
    """Twelve hexadecimal digits that change with any setting."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:12]


def _section(tree: dict[str, Any], path: Path) -> dict[str, Any]:
    """TOML's lists as the tuples that the settings hold."""
    section: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in tree.items()}
    if "widths" in section:
        section["widths"] = tuple(_band(entry, path) for entry in section["widths"])
    return section


def _band(entry: Any, path: Path) -> WidthBand:
    if not isinstance(entry, list) or not 2 <= len(entry) <= 3:
        raise ExpertError(f"{path}: each entry of widths is [low, high, share], not {entry!r}")
    return WidthBand(*(float(number) for number in entry))
