"""Everything that a training run is steered by, read from one TOML file."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experts.contract import ExpertError
from experts.networks import NETWORKS
from experts.training import tables
from experts.training.course import AdversarySettings, LossSettings, OptimiserSettings, RunSettings
from experts.training.degradation import DegradationSettings as DegradationSettings
from experts.training.degradation import WidthBand as WidthBand

TRAINED = (*NETWORKS, "background")
"""The networks that a training can be about."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """One stage of one expert: which network (one of `TRAINED`), how many pairs, how spoiled, how it learns.

    `stage`: the name of what comes out. `starts_from`: the stage whose weights it begins with; empty for none.
    `held_out`: pairs, of photographs of their own, that are not learned from.
    """

    network: str
    stage: str = "faithful"
    starts_from: str = ""
    pairs: int = 8192
    held_out: int = 40
    seed: int = 20
    degradation: DegradationSettings = dataclasses.field(default_factory=DegradationSettings)
    optimiser: OptimiserSettings = dataclasses.field(default_factory=OptimiserSettings)
    losses: LossSettings = dataclasses.field(default_factory=LossSettings)
    adversary: AdversarySettings = dataclasses.field(default_factory=AdversarySettings)
    run: RunSettings = dataclasses.field(default_factory=RunSettings)

    def __post_init__(self) -> None:
        if self.network not in TRAINED:
            near = difflib.get_close_matches(self.network, TRAINED, n=1, cutoff=0.0)
            raise ExpertError(f"there is no network {self.network!r}; did you mean {near[0]!r}?")
        if min(self.pairs, self.held_out) < 1:
            raise ExpertError(f"pairs and held_out are 1 or more, not {self.pairs} and {self.held_out}")
        if not self.stage.isidentifier():
            raise ExpertError(f"stage is a word that can name a file, not {self.stage!r}")


_SECTIONS = {"optimiser": OptimiserSettings, "losses": LossSettings, "adversary": AdversarySettings, "run": RunSettings}


def load(path: Path) -> TrainingSettings:
    """The settings in a TOML file; ExpertError for what is missing or unknown."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ExpertError(f"{path} cannot be read as TOML: {error}") from error
    degradation = _section(tree.pop("degradation", {}), path)
    sections: dict[str, Any] = {
        name: tables.read(kind, tree.pop(name, {}), where=f"{path} [{name}]") for name, kind in _SECTIONS.items()
    }
    try:
        return TrainingSettings(degradation=DegradationSettings(**degradation), **sections, **tree)
    except TypeError as error:
        raise ExpertError(f"{path}: {error}; compare with the fields in experts/training/settings.py") from error


def digest(settings: TrainingSettings) -> str:
    """Twelve hexadecimal digits that change with any setting that changes what comes out."""
    return hashlib.sha256(repr(replace(settings, run=RunSettings())).encode()).hexdigest()[:12]


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
