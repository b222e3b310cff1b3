"""From a TOML table or the environment to a tree of frozen dataclasses, and what to say where words don't fit."""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from streamer.errors import UsageError

T = TypeVar("T")


def build(cls: type[T], table: Mapping[str, object], *, where: str = "") -> T:
    """An instance of the dataclass `cls` from a nested table; what the table leaves out keeps its default.

    Raises UsageError for an unknown key (with the nearest known one), a value of the wrong type, or one that the
    dataclass itself refuses with a ValueError.
    """
    hints = get_type_hints(cls)
    known = {item.name: item for item in fields(cast(Any, cls))}
    values: dict[str, object] = {}
    for key, value in table.items():
        if key not in known:
            raise UsageError(_unknown(key, where, list(known)))
        values[key] = _convert(hints[key], value, where=f"{where}.{key}" if where else key)
    try:
        return cls(**values)
    except ValueError as error:
        raise UsageError(f"setting {where or 'file'}: {error}") from error


def merge(base: Mapping[str, object], extra: Mapping[str, object]) -> dict[str, object]:
    """The nested table `base` with what `extra` says laid over it."""
    merged = dict(base)
    for key, value in extra.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged


def parse_word(cls: type[object], path: list[str], word: str) -> object:
    """The value that `word`, from the environment, means for the setting at `path`.

    Raises UsageError where there is no such setting or the word can't be read as its type.
    """
    where = ".".join(path)
    hint = _hint_at(cls, path)
    try:
        return _read_word(hint, word)
    except ValueError as error:
        raise UsageError(f"setting {where}: {word!r} is not {_name(hint)}") from error


def table_of(settings: object) -> dict[str, object]:
    """The nested table that `build` would make `settings` from: what a complete config file says."""
    table: dict[str, object] = {}
    for item in fields(cast(Any, settings)):
        value = getattr(settings, item.name)
        table[item.name] = table_of(value) if is_dataclass(value) else _plain(value)
    return table


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    return "" if value is None else value


def _unknown(key: str, where: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    full = f"{where}.{key}" if where else key
    hint = f"did you mean {near[0]!r}?" if near else "known here: " + ", ".join(sorted(known))
    return f"unknown setting {full!r}: {hint}"


def _hint_at(cls: type[object], path: list[str]) -> Any:
    hint: Any = cls
    for depth, key in enumerate(path):
        if not is_dataclass(hint):
            raise UsageError(f"unknown setting {'.'.join(path)!r}: {'.'.join(path[:depth])} is a single value")
        hints = get_type_hints(hint)
        if key not in hints:
            raise UsageError(_unknown(key, ".".join(path[:depth]), list(hints)))
        hint = hints[key]
    return hint


def _read_word(hint: Any, word: str) -> object:
    base = _without_none(hint)
    if base is bool:
        lowered = word.lower()
        if lowered not in ("true", "false", "1", "0", "yes", "no"):
            raise ValueError(word)
        return lowered in ("true", "1", "yes")
    if base is int:
        return int(word)
    if base is float:
        return float(word)
    if get_origin(base) is Literal and all(isinstance(choice, int) for choice in get_args(base)):
        return int(word)
    return word


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        rest = [part for part in get_args(hint) if part is not type(None)]
        return rest[0] if len(rest) == 1 else hint
    return hint


def _convert(hint: Any, value: object, *, where: str) -> object:
    base = _without_none(hint)
    # TOML has no null: an empty string stands for "not set".
    if base is not hint and value == "":
        return None
    if is_dataclass(base) and isinstance(base, type):
        if not isinstance(value, Mapping):
            raise _wrong(where, value, "a table")
        return build(base, value, where=where)
    if get_origin(base) is Literal:
        # 1 == 1.0 == True, but only the first of them is a whole number.
        if not any(value == choice and type(value) is type(choice) for choice in get_args(base)):
            raise _wrong(where, value, _name(base))
        return value
    return _convert_plain(base, value, where=where)


def _convert_plain(hint: Any, value: object, *, where: str) -> object:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    # bool is an int in Python, but `crf = true` is a mistake.
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise _wrong(where, value, _name(hint))
    return value


def _wrong(where: str, value: object, wanted: str) -> UsageError:
    return UsageError(f"setting {where}: {value!r} is not {wanted}")


def _name(hint: Any) -> str:
    base = _without_none(hint)
    if get_origin(base) is Literal:
        return "one of " + ", ".join(repr(choice) for choice in get_args(base))
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", Path: "a path"}
    return names.get(base, str(base))
