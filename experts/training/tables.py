"""Tables of a TOML file as the dataclasses that a training is steered by."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from experts.contract import ExpertError

T = TypeVar("T")


def read(kind: type[T], table: object, *, where: str) -> T:
    """An instance of the dataclass `kind`; what the table lacks is as its defaults say.

    Raises ExpertError for an unknown key or a value of another type; `where` tells the file and the section.
    """
    if not isinstance(table, Mapping):
        raise ExpertError(f"{where} is a section of keys and values, not {table!r}")
    wanted = get_type_hints(kind)
    for key in table:
        if key not in wanted:
            near = difflib.get_close_matches(key, wanted, n=1, cutoff=0.0)
            raise ExpertError(f"{where} has no setting {key!r}; did you mean {near[0]!r}?")
    values = {key: _value(value, wanted[key], where=f"{where}: {key}") for key, value in table.items()}
    try:
        return kind(**values)
    except ExpertError as error:
        raise ExpertError(f"{where}: {error}") from error


def _value(value: Any, wanted: Any, *, where: str) -> Any:
    if get_origin(wanted) is Literal:
        if value in get_args(wanted):
            return value
        raise ExpertError(f"{where} is one of {', '.join(get_args(wanted))}, not {value!r}")
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise ExpertError(f"{where} is of the type {wanted.__name__}, not {value!r}")
    return value


def differences(one: object, other: object, *, at: str = "") -> list[str]:
    """What two trees of `plain` say differently, each as "section.key = this, not that"."""
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return [] if one == other else [f"{at} = {one!r}, not {other!r}"]
    found = []
    for key in dict.fromkeys([*one, *other]):
        found += differences(one.get(key), other.get(key), at=f"{at}.{key}" if at else str(key))
    return found


def plain(settings: Any) -> dict[str, Any]:
    """A dataclass as dictionaries, lists, numbers and words alone, as files hold them."""
    tree: dict[str, Any] = _plain(dataclasses.asdict(settings))
    return tree


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value
