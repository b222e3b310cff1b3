"""The browser's own camera through the page: sent, seen, stopped, and what is said where that can't be."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.browser import FAR_NAME, WAIT_SECONDS, Served, Watch
from tests.helpers.staged import StagedStudio

REFUSE = """navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', '%s'))"""


@pytest.fixture
def served() -> Iterator[Served]:
    with Served(lambda: StagedStudio("door")) as server:
        yield server


def start(page: Page, name: str = "my-camera") -> None:
    page.get_by_role("button", name="Use my camera").click()
    page.get_by_label("Name of the stream").fill(name)
    page.get_by_role("button", name="Start").click()


def test_the_camera_is_sent_seen_and_stopped(served: Served, page: Page) -> None:
    watch = Watch(page, served.url)
    page.goto(f"{served.url}/#watch=")
    start(page, "me")
    expect(page.get_by_text("Your camera is sent as “me”")).to_be_visible()
    publishing = served.studio.named["me"].publishing
    assert publishing is not None
    deadline = time.monotonic() + WAIT_SECONDS
    while len(publishing.pictures) < 10 or not publishing.sounds:
        assert time.monotonic() < deadline, "no pictures with sound came"
        page.wait_for_timeout(50)
    picture = publishing.pictures[-1][0]
    assert (picture.width, picture.height) == (640, 360)
    expect(page.get_by_role("button", name="Use my camera")).to_be_disabled()
    player = page.locator(".player")
    expect(player.get_by_text("Your own sound is muted")).to_be_visible()
    expect(player.locator(".veil")).to_be_hidden()
    page.get_by_role("button", name="Stop my camera").click()
    expect(page.locator(".player")).to_have_count(0)
    while not publishing.closed:
        assert time.monotonic() < deadline, "the session was not ended"
        page.wait_for_timeout(50)
    watch.check()


def test_a_name_in_use_is_told_in_the_servers_words(served: Served, page: Page) -> None:
    page.goto(f"{served.url}/#watch=")
    start(page, "door")
    expect(page.locator(".camera").get_by_role("alert")).to_have_text("door is in use: publish under another name.")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotAllowedError", "was not allowed to use the camera"),
        ("NotFoundError", "No camera was found"),
        ("NotReadableError", "in use by another program"),
    ],
)
def test_what_a_browser_refuses_is_said_in_words(served: Served, page: Page, name: str, words: str) -> None:
    page.add_init_script(REFUSE % name)
    page.goto(f"{served.url}/#watch=")
    start(page)
    expect(page.locator(".camera").get_by_role("alert")).to_contain_text(words)


def test_an_insecure_address_is_named_as_the_reason(served: Served, page: Page) -> None:
    page.goto(f"http://{FAR_NAME}:{served.port}/#watch=")
    start(page)
    expect(page.locator(".camera").get_by_role("alert")).to_contain_text("only to pages over https, or from localhost")
