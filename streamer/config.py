"""All rooms' settings in one tree, and where they come from: default < file < environment < flag."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from blending.blender import BlendingError, BlendSettings
from experts.background import BackgroundSettings
from experts.catalog import ExpertSettings
from experts.contract import ExpertError
from routing.router import RoutingSettings
from streamer.errors import UsageError
from streamer.media.encoders import EncodeSettings
from streamer.media.source import SourceSettings
from streamer.settings_tree import build, merge, parse_word
from weights.session import RuntimeSettings
from weights.store import StoreSettings

PREFIX = "FACELANE_"
CONFIG_VARIABLE = "FACELANE_CONFIG"
# These name places, not settings: the settings file, the folder of weights, the folder of test data.
RESERVED = (CONFIG_VARIABLE, "FACELANE_WEIGHTS", "FACELANE_SHARED")


@dataclass(frozen=True, slots=True)
class Settings:
    """`scale`: how many times wider and higher the output is. The rest belongs to the rooms."""

    scale: Literal[1, 2, 4] = 2
    source: SourceSettings = field(default_factory=SourceSettings)
    routing: RoutingSettings = field(default_factory=RoutingSettings)
    experts: ExpertSettings = field(default_factory=ExpertSettings)
    background: BackgroundSettings = field(default_factory=BackgroundSettings)
    blending: BlendSettings = field(default_factory=BlendSettings)
    output: EncodeSettings = field(default_factory=EncodeSettings)
    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)
    weights: StoreSettings = field(default_factory=StoreSettings)


def load_settings(path: Path | None, *, environment: Mapping[str, str], overrides: Mapping[str, object]) -> Settings:
    """The settings as the file at `path` (else the one that FACELANE_CONFIG names, else none), then variables
    such as FACELANE_ROUTING__GATE__SHARPNESS, then `overrides` say.

    Raises UsageError, in one line, for what can't be read, isn't known or doesn't fit.
    """
    named = environment.get(CONFIG_VARIABLE)
    source = path or (Path(named) if named else None)
    table = _read(source) if source else {}
    table = merge(table, _from_environment(environment))
    try:
        return build(Settings, merge(table, overrides))
    except (BlendingError, ExpertError) as error:
        raise UsageError(f"setting: {error}") from error


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise UsageError(f"can't read the settings {path}: {error.strerror}; check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    table: dict[str, object] = {}
    for name, word in environment.items():
        if not name.startswith(PREFIX) or name in RESERVED:
            continue
        path = name.removeprefix(PREFIX).lower().split("__")
        value = parse_word(Settings, path, word)
        for key in reversed(path):
            value = {key: value}
        table = merge(table, value if isinstance(value, dict) else {})
    return table
