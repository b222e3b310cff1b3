"""From a TOML table or the environment to a tree of frozen dataclasses, and what to say where words don't fit."""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from streamer.errors import UsageError

T = TypeVar("T")
Keys = tuple[str, ...]
"""Where a setting stands: ("output", "quality"); the entries of a list are numbered: ("streams", "0", "name")."""
Refusals = tuple[type[Exception], ...]

TOLD_AS = "told_as"
"""The key of a field's metadata under which a secret's field has a function from its text to what may be told of it."""


class SettingError(UsageError):
    """`keys`: the setting, or the table of settings, that is wrong."""

    def __init__(self, keys: Sequence[str], message: str) -> None:
        super().__init__(message)
        self.keys = tuple(keys)


def build(cls: type[T], table: Mapping[str, object], *, at: Keys = (), refusals: Refusals = (ValueError,)) -> T:
    """An instance of the dataclass `cls` from a nested table; what the table leaves out keeps its default.

    Raises SettingError for an unknown key (with the nearest known one), a value of the wrong type, or one that the
    dataclass itself refuses with one of `refusals`.
    """
    hints = get_type_hints(cls)
    known = {item.name: item for item in fields(cast(Any, cls))}
    values: dict[str, object] = {}
    for key, value in table.items():
        if key not in known:
            raise _unknown(key, at, list(known))
        converter = _Converter((*at, key), refusals, _shower(known[key]))
        values[key] = converter.convert(hints[key], value)
    if missing := [name for name, item in known.items() if name not in values and _is_wanted(item)]:
        raise SettingError(at, f"setting {'.'.join(at)}: {missing[0]} is missing")
    try:
        return cls(**values)
    except refusals as error:
        raise SettingError(at, f"setting {'.'.join(at) or 'file'}: {error}") from error


def merge(base: Mapping[str, object], extra: Mapping[str, object]) -> dict[str, object]:
    """The nested table `base` with what `extra` says laid over it; a list of tables is one numbered from "0" on."""
    merged = dict(base)
    for key, value in extra.items():
        old = _numbered(merged.get(key))
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def parse_word(cls: type[object], path: Sequence[str], word: str) -> object:
    """The value that `word`, from the environment, means for the setting at `path`.

    Raises SettingError where there is no such setting or the word can't be read as its type.
    """
    hint = _hint_at(cls, path)
    try:
        return _read_word(hint, word)
    except ValueError as error:
        raise SettingError(path, f"setting {'.'.join(path)}: {word!r} is not {_name(hint)}") from error


def table_of(settings: object) -> dict[str, object]:
    """The nested table that `build` would make `settings` from: what a complete config file says, but for secrets, of
    which it says only what may be told."""
    table: dict[str, object] = {}
    for item in fields(cast(Any, settings)):
        value = getattr(settings, item.name)
        show = item.metadata.get(TOLD_AS)
        table[item.name] = _plain(value if show is None else show(value))
    return table


def _is_wanted(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return table_of(value)
    if isinstance(value, Path):
        return str(value)
    return "" if value is None else value


def _numbered(value: object) -> object:
    return {str(index): item for index, item in enumerate(value)} if isinstance(value, list) else value


def _unknown(key: str, at: Sequence[str], known: list[str]) -> SettingError:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else "known here: " + ", ".join(sorted(known))
    return SettingError((*at, key), f"unknown setting {'.'.join((*at, key))!r}: {hint}")


def _hint_at(cls: type[object], path: Sequence[str]) -> Any:
    hint: Any = cls
    for depth, key in enumerate(path):
        above = path[:depth]
        if get_origin(hint) is tuple:
            _check_number(key, above)
            hint = get_args(hint)[0]
            continue
        if not is_dataclass(hint):
            raise SettingError(path, f"unknown setting {'.'.join(path)!r}: {'.'.join(above)} is a single value")
        hints = get_type_hints(hint)
        if key not in hints:
            raise _unknown(key, above, list(hints))
        hint = hints[key]
    return hint


def _check_number(key: str, at: Sequence[str]) -> None:
    if not (key.isascii() and key.isdigit() and key == str(int(key))):
        where = ".".join(at)
        raise SettingError((*at, key), f"unknown setting '{where}.{key}': {where} is a list, from {where}.0 on")


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


class _Converter:
    """Makes the value of one setting what its type asks for. `show`: how a message may tell the value."""

    def __init__(self, at: Keys, refusals: Refusals, show: Callable[[object], str]) -> None:
        self._at = at
        self._refusals = refusals
        self._show = show

    def convert(self, hint: Any, value: object) -> object:
        base = _without_none(hint)
        # TOML has no null: an empty string stands for "not set".
        if base is not hint and value == "":
            return None
        if get_origin(base) is tuple:
            return self._list(get_args(base)[0], value)
        if is_dataclass(base) and isinstance(base, type):
            if not isinstance(value, Mapping):
                raise self._wrong(value, "a table", _told_kind)
            return build(base, value, at=self._at, refusals=self._refusals)
        if get_origin(base) is Literal:
            # 1 == 1.0 == True, but only the first of them is a whole number.
            if not any(value == choice and type(value) is type(choice) for choice in get_args(base)):
                raise self._wrong(value, _name(base))
            return value
        return self._plain(base, value)

    def _list(self, kind: type[object], value: object) -> tuple[object, ...]:
        entries = _numbered(value)
        if not isinstance(entries, Mapping):
            raise self._wrong(value, "a list of tables", _told_kind)
        for key in entries:
            _check_number(key, self._at)
        numbers = sorted(int(key) for key in entries)
        if numbers != list(range(len(numbers))):
            told = ", ".join(map(str, numbers))
            raise SettingError(self._at, f"setting {'.'.join(self._at)}: entries {told} are there: leave out no number")
        return tuple(self._entry(kind, str(number), entries[str(number)]) for number in numbers)

    def _entry(self, kind: type[object], number: str, value: object) -> object:
        return _Converter((*self._at, number), self._refusals, self._show).convert(kind, value)

    def _plain(self, hint: Any, value: object) -> object:
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if hint is Path and isinstance(value, str):
            return Path(value)
        # bool is an int in Python, but `crf = true` is a mistake.
        if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
            raise self._wrong(value, _name(hint))
        return value

    def _wrong(self, value: object, wanted: str, show: Callable[[object], str] | None = None) -> SettingError:
        return SettingError(self._at, f"setting {'.'.join(self._at)}: {(show or self._show)(value)} is not {wanted}")


def _told_kind(value: object) -> str:
    """A value in the place of a table: texts in it may hold secrets that nobody marked there."""
    kinds: dict[type, str] = {str: "a text", list: "a list", dict: "a table"}
    return kinds.get(type(value)) or repr(value)


def _shower(item: Field[Any]) -> Callable[[object], str]:
    """How a message tells a value that was given for this field."""
    show = item.metadata.get(TOLD_AS)
    return repr if show is None else lambda value: str(show(str(value)))


def _name(hint: Any) -> str:
    base = _without_none(hint)
    if get_origin(base) is Literal:
        return "one of " + ", ".join(repr(choice) for choice in get_args(base))
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", Path: "a path"}
    return names.get(base, str(base))
