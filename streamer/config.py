"""All rooms' settings in one tree, and where they come from: default < file < environment < flag."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

from blending.blender import BlendingError, BlendSettings
from experts.background import BackgroundSettings
from experts.catalog import ExpertSettings
from experts.contract import ExpertError
from experts.identity import IdentitySettings
from experts.steadiness import SteadinessSettings
from routing.router import RoutingSettings
from streamer.entries import StreamEntry
from streamer.errors import UsageError
from streamer.live.settings import LiveSettings
from streamer.media.encoders import EncodeSettings
from streamer.media.network.settings import NetworkSettings
from streamer.media.source import SourceSettings
from streamer.settings_tree import Keys, SettingError, build, merge, parse_word
from web.settings import WebSettings
from weights.session import RuntimeSettings
from weights.store import StoreSettings

PREFIX = "FACELANE_"
CONFIG_VARIABLE = "FACELANE_CONFIG"
# These name places, not settings: the settings file, the folder of weights, the folder of test data.
RESERVED = (CONFIG_VARIABLE, "FACELANE_WEIGHTS", "FACELANE_SHARED")


@dataclass(frozen=True, slots=True)
class Settings:
    """`scale`: how many times wider and higher the output is, in a live stream at most. `streams`: those that a server
    begins with. The rest belongs to the rooms."""

    scale: Literal[1, 2, 4] = 2
    streams: tuple[StreamEntry, ...] = ()
    source: SourceSettings = field(default_factory=SourceSettings)
    routing: RoutingSettings = field(default_factory=RoutingSettings)
    experts: ExpertSettings = field(default_factory=ExpertSettings)
    steadiness: SteadinessSettings = field(default_factory=SteadinessSettings)
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    background: BackgroundSettings = field(default_factory=BackgroundSettings)
    blending: BlendSettings = field(default_factory=BlendSettings)
    output: EncodeSettings = field(default_factory=EncodeSettings)
    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)
    weights: StoreSettings = field(default_factory=StoreSettings)
    live: LiveSettings = field(default_factory=LiveSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    web: WebSettings = field(default_factory=WebSettings)

    def __post_init__(self) -> None:
        names = [entry.name for entry in self.streams]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UsageError(f"two streams are called {twice}: give each a name of its own")


@dataclass(frozen=True, slots=True)
class _Given:
    """One value, and where it was given: "in FILE", "in FACELANE_SCALE", "by --scale"."""

    keys: Keys
    value: object
    where: str


def load_settings(
    path: Path | None,
    *,
    environment: Mapping[str, str],
    overrides: Mapping[str, object],
    flags: Mapping[str, str] | None = None,
) -> Settings:
    """The settings as the file at `path` (else the one that FACELANE_CONFIG names, else none), then variables
    such as FACELANE_ROUTING__GATE__SHARPNESS or FACELANE_STREAMS__0__SOURCE, then `overrides` say. `flags`: the flag
    that gave a setting of `overrides`, by names such as "output.codec".

    Raises UsageError, in one line that says where it was given, for what can't be read, isn't known or doesn't fit.
    """
    named = environment.get(CONFIG_VARIABLE)
    source = path or (Path(named) if named else None)
    given = list(_leaves(_read(source), f"in {source}")) if source else []
    given += _from_environment(environment)
    for item in _leaves(overrides, "on the command line"):
        flag = (flags or {}).get(".".join(item.keys))
        given.append(item if flag is None else replace(item, where=f"by {flag}"))
    try:
        return build(Settings, _table(given), refusals=(ValueError, UsageError, BlendingError, ExpertError))
    except SettingError as error:
        raise UsageError(f"{error}{_told_where(given, error.keys)}") from error


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise UsageError(f"can't read the settings {path}: {error.strerror}; check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error


def _from_environment(environment: Mapping[str, str]) -> Iterator[_Given]:
    for name, word in environment.items():
        if not name.startswith(PREFIX) or name in RESERVED:
            continue
        keys = tuple(name.removeprefix(PREFIX).lower().split("__"))
        try:
            yield _Given(keys, parse_word(Settings, keys, word), f"in {name}")
        except SettingError as error:
            raise UsageError(f"{error} (in {name})") from error


def _leaves(table: Mapping[str, object], where: str, above: Keys = ()) -> Iterator[_Given]:
    for key, value in table.items():
        keys = (*above, key)
        if isinstance(value, Mapping):
            yield from _leaves(value, where, keys)
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            yield from _leaves({str(index): item for index, item in enumerate(value)}, where, keys)
        else:
            yield _Given(keys, value, where)


def _table(given: Iterable[_Given]) -> dict[str, object]:
    table: dict[str, object] = {}
    for item in given:
        nested = item.value
        for key in reversed(item.keys):
            nested = {key: nested}
        table = merge(table, cast(Mapping[str, object], nested))
    return table


def _told_where(given: Iterable[_Given], keys: Keys) -> str:
    """Who gave the setting, or those in the table, that is wrong; of who gave the same one the last counts."""
    last = {item.keys: item.where for item in given if _share(item.keys, keys)}
    return f" ({', '.join(dict.fromkeys(last.values()))})" if last else ""


def _share(one: Keys, other: Keys) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
