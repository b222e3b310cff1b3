"""Every fixed word of the server has one for people on the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

import streamer
from routing.types import Lane
from streamer.effort import LADDER
from streamer.live.meter import DROP_REASONS, SLOW_VIEWER, UNWATCHED
from streamer.live.ports import Cause, SourceState
from tests.helpers.browser import Served
from tests.helpers.staged import StagedStudio

MENDED = re.compile(r"mended\(\"(\w+)\"")
STAGE = re.compile(r"(?:\.lap|meter\.stage)\(\"([\w.]+)\"")
PARTS_OF_ROUTE = {"detect", "track", "gate", "route.other"}
NEVER_LIVE = {"route", "overlay", "figures"}
"""The first is told in its parts; nothing is drawn over a live picture, and no figures are taken of it."""
OF_THE_PAGE = {"STATES": {"unknown"}}
UNTOLD = {Cause.NONE, Cause.OTHER}
"""The state alone is told, with the message."""


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with Served(lambda: StagedStudio("door")) as server:
        yield server


def mended() -> set[str]:
    """Of sources' `mended`, whose words are where they are told."""
    files = (Path(streamer.__file__).parent / "media" / "network").glob("*.py")
    return {word for file in files for word in MENDED.findall(file.read_text())}


def stages() -> set[str]:
    """Of a live frame, as they are named where they are timed."""
    files = (Path(streamer.__file__).parent).rglob("*.py")
    named = {word for file in files for word in STAGE.findall(file.read_text())}
    return named - NEVER_LIVE | PARTS_OF_ROUTE | {f"expert.{lane.value}" for lane in set(Lane) - {Lane.SKIP}}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("DROPS", {*DROP_REASONS, SLOW_VIEWER, UNWATCHED}),
        ("STATES", {state.value for state in SourceState}),
        ("CAUSES", {cause.value for cause in set(Cause) - UNTOLD}),
        ("EFFORTS", {effort.name for effort in LADDER}),
        ("LANES", {lane.value for lane in Lane}),
        ("MENDED", mended()),
        ("STAGES", stages()),
    ],
)
def test_the_page_has_a_word_for_each_and_for_no_other(
    served: Served, page: Page, table: str, words: Iterable[str]
) -> None:
    page.goto(f"{served.url}/#watch=")
    known = page.evaluate(f"async () => Object.keys((await import('/static/words.js')).{table})")
    assert set(known) - OF_THE_PAGE.get(table, set()) == set(words)


def test_every_state_has_a_drawing(served: Served, page: Page) -> None:
    page.goto(f"{served.url}/#watch=")
    draw = "async (states) => { const {icon} = await import('/static/dom.js'); states.forEach(icon); }"
    page.evaluate(draw, [state.value for state in SourceState])
