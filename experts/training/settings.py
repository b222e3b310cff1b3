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
from experts.training.degradation import DegradationSettings as DegradationSettings
from experts.training.degradation import WidthBand as WidthBand


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
