"""Settings from tables and words: every misfit is answered with key, value and wanted type."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from streamer.errors import UsageError
from streamer.settings_tree import TOLD_AS, SettingError, build, merge, parse_word, table_of


@dataclass(frozen=True, slots=True)
class Inner:
    crf: int = 18
    share: float = 0.5
    wide: bool = False

    def __post_init__(self) -> None:
        if self.crf < 0:
            raise ValueError(f"crf is {self.crf}: give 0 or more")


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    key: str = field(default="", metadata={TOLD_AS: lambda key: "***" if key else ""})
    inner: Inner = field(default_factory=Inner)


@dataclass(frozen=True, slots=True)
class Listing:
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Outer:
    method: Literal["a", "b"] = "a"
    scale: Literal[1, 2, 4] = 2
    folder: Path | None = None
    inner: Inner = field(default_factory=Inner)


def test_an_empty_table_gives_the_defaults() -> None:
    assert build(Outer, {}) == Outer()


def test_a_complete_table_round_trips() -> None:
    settings = Outer(method="b", scale=4, folder=Path("x"), inner=Inner(crf=1, share=0.25, wide=True))
    assert build(Outer, table_of(settings)) == settings
    assert build(Outer, table_of(Outer())) == Outer()


def test_whole_numbers_serve_as_numbers_but_not_the_other_way() -> None:
    assert build(Outer, {"inner": {"share": 1}}).inner.share == 1.0
    with pytest.raises(UsageError, match=r"inner.crf: 1.5 is not a whole number"):
        build(Outer, {"inner": {"crf": 1.5}})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"methud": "a"}, r"unknown setting 'methud': did you mean 'method'\?"),
        ({"inner": {"crff": 1}}, r"unknown setting 'inner.crff': did you mean 'crf'\?"),
        ({"zzz": 1}, r"unknown setting 'zzz': known here: folder, inner, method, scale"),
        ({"method": "c"}, r"setting method: 'c' is not one of 'a', 'b'"),
        ({"scale": 3}, r"setting scale: 3 is not one of 1, 2, 4"),
        ({"scale": True}, r"setting scale: True is not one of 1, 2, 4"),
        ({"inner": 3}, r"setting inner: 3 is not a table"),
        ({"inner": {"crf": True}}, r"setting inner.crf: True is not a whole number"),
        ({"inner": {"crf": -1}}, r"setting inner: crf is -1: give 0 or more"),
        ({"inner": {"wide": "yes"}}, r"setting inner.wide: 'yes' is not true or false"),
        ({"scale": 2.0}, r"setting scale: 2.0 is not one of 1, 2, 4"),
        ({"folder": 3}, r"setting folder: 3 is not a path"),
    ],
)
def test_a_misfit_is_named(table: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(Outer, table)


def test_words_of_the_environment_are_read_by_the_settings_type() -> None:
    assert parse_word(Outer, ["inner", "crf"], "7") == 7
    assert parse_word(Outer, ["inner", "share"], "0.25") == 0.25
    assert parse_word(Outer, ["inner", "wide"], "Yes") is True
    assert parse_word(Outer, ["scale"], "4") == 4
    assert parse_word(Outer, ["folder"], "/x") == "/x"
    assert build(Outer, {"folder": "/x"}).folder == Path("/x")


@pytest.mark.parametrize(
    ("path", "word", "message"),
    [
        (["inner", "crf"], "seven", r"setting inner.crf: 'seven' is not a whole number"),
        (["inner", "wide"], "2", r"setting inner.wide: '2' is not true or false"),
        (["iner", "crf"], "7", r"unknown setting 'iner': did you mean 'inner'\?"),
        (["scale", "x"], "7", r"unknown setting 'scale.x': scale is a single value"),
    ],
)
def test_a_word_that_does_not_fit_is_named(path: list[str], word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_word(Outer, path, word)


def test_merge_lays_tables_over_each_other() -> None:
    assert merge({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9}, "e": 4}) == {"a": {"b": 9, "c": 2}, "d": 3, "e": 4}


def test_a_list_of_tables_is_a_tuple_of_dataclasses() -> None:
    table = {"entries": [{"name": "a"}, {"name": "b", "inner": {"crf": 3}}]}
    settings = build(Listing, table)
    assert settings == Listing((Entry("a"), Entry("b", inner=Inner(crf=3))))
    assert build(Listing, table_of(settings)) == settings
    assert build(Listing, {"entries": []}) == Listing()


def test_entries_have_numbers_for_the_environment_and_for_merging() -> None:
    path = ["entries", "1", "inner", "crf"]
    assert parse_word(Listing, path, "9") == 9
    merged = merge({"entries": [{"name": "a"}, {"name": "b"}]}, {"entries": {"1": {"inner": {"crf": 9}}}})
    more = merge(merged, {"entries": {"2": {"name": "c"}}})
    assert build(Listing, more) == Listing((Entry("a"), Entry("b", inner=Inner(crf=9)), Entry("c")))


@pytest.mark.parametrize(
    ("table", "message", "keys"),
    [
        ({"entries": [{"name": "a"}, {}]}, r"setting entries.1: name is missing", ("entries", "1")),
        ({"entries": [{"nam": "a"}]}, r"'entries.0.nam': did you mean 'name'\?", ("entries", "0", "nam")),
        ({"entries": [{"name": 3}]}, r"setting entries.0.name: 3 is not a text", ("entries", "0", "name")),
        ({"entries": [{"name": "a", "inner": {"crf": -1}}]}, r"entries.0.inner: crf is -1", ("entries", "0", "inner")),
        ({"entries": {"name": "a"}}, r"entries is a list, from entries.0 on", ("entries", "name")),
        ({"entries": {"00": {"name": "a"}}}, r"entries is a list", ("entries", "00")),
        ({"entries": {"0": {"name": "a"}, "2": {"name": "b"}}}, r"entries 0, 2 are there", ("entries",)),
        ({"entries": 3}, r"setting entries: 3 is not a list of tables", ("entries",)),
        ({"entries": ["a"]}, r"setting entries.0: a text is not a table", ("entries", "0")),
    ],
)
def test_a_misfit_in_a_list_is_named(table: dict[str, object], message: str, keys: tuple[str, ...]) -> None:
    with pytest.raises(SettingError, match=message) as caught:
        build(Listing, table)
    assert caught.value.keys == keys


def test_a_list_in_the_environment_wants_numbers() -> None:
    with pytest.raises(UsageError, match=r"entries is a list, from entries.0 on"):
        parse_word(Listing, ["entries", "name"], "a")


def test_a_secret_is_not_told() -> None:
    settings = Listing((Entry("a", key="sesame"), Entry("b")))
    assert table_of(settings)["entries"] == [
        {"name": "a", "key": "***", "inner": table_of(Inner())},
        {"name": "b", "key": "", "inner": table_of(Inner())},
    ]
    for wrong in ({"key": ["sesame"]}, {"key": 5353}):
        with pytest.raises(UsageError, match=r"setting entries.0.key: \*\*\* is not a text") as caught:
            build(Listing, {"entries": [{"name": "a", **wrong}]})
        assert "sesame" not in str(caught.value)
        assert "5353" not in str(caught.value)
