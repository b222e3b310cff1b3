"""The browser's own camera through the page: sent, seen, stopped, and what is said where that can't be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from tests.helpers.browser import FAR_NAME, Served, Watch, wait_until
from tests.helpers.staged import StagedStudio

# The devices that are given stay in sight as `media`; `ASK` gives them when `allow` is called.
KEEP = """const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => (window.media = await open(wanted));"""
ASK = f"""{KEEP}
const keep = navigator.mediaDevices.getUserMedia;
navigator.mediaDevices.getUserMedia = async (wanted) => {{
    await new Promise((resolve) => (window.allow = resolve));
    return keep(wanted);
}};"""
ENDED = "() => window.media?.getTracks().every((track) => track.readyState === 'ended')"
# What a browser does where a device is unplugged; a page can't have that done.
UNPLUG = """(kind) => {
    const track = window.media.getTracks().find((one) => one.kind === kind);
    track.stop();
    track.dispatchEvent(new Event('ended'));
}"""
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
    wait_until(page, lambda: len(publishing.pictures) >= 10 and bool(publishing.sounds))
    picture = publishing.pictures[-1][0]
    assert (picture.width, picture.height) == (640, 360)
    expect(page.get_by_role("button", name="Use my camera")).to_be_disabled()
    player = page.locator(".player")
    expect(player.get_by_text("Your own sound is muted")).to_be_visible()
    expect(player.locator(".veil")).to_be_hidden()
    page.get_by_role("button", name="Stop my camera").click()
    expect(page.locator(".player")).to_have_count(0)
    wait_until(page, lambda: publishing.closed)
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


def test_cancelling_before_the_browser_allows_it_leaves_every_device_off(served: Served, page: Page) -> None:
    watch = Watch(page, served.url)
    page.add_init_script(ASK)
    page.goto(f"{served.url}/#watch=")
    start(page, "me")
    page.get_by_role("button", name="Cancel").click()
    panel = page.locator("section.camera")
    expect(panel).to_be_hidden()
    page.evaluate("allow()")
    page.wait_for_function(ENDED)
    assert "me" not in served.studio.named
    start(page, "me")
    page.evaluate("allow()")
    expect(page.get_by_text("Your camera is sent as “me”")).to_be_visible()
    watch.check()


def test_what_is_sent_has_the_name_of_its_start_and_never_leaves_sight(served: Served, page: Page) -> None:
    page.add_init_script(ASK)
    page.goto(f"{served.url}/#watch=")
    start(page, "me")
    expect(page.get_by_role("button", name="Use my camera")).to_be_disabled()
    page.get_by_label("Name of the stream").fill("another")
    page.evaluate("allow()")
    expect(page.get_by_text("Your camera is sent as “me”")).to_be_visible()
    expect(page.get_by_role("button", name="Stop my camera")).to_be_visible()
    assert "another" not in served.studio.named


def test_cancelling_while_the_server_is_asked_ends_the_session(served: Served, page: Page) -> None:
    asked: list[Route] = []
    page.add_init_script(KEEP)
    page.route("**/whip/me", lambda route: asked.append(route) if route.request.method == "POST" else route.continue_())
    page.goto(f"{served.url}/#watch=")
    start(page, "me")
    wait_until(page, lambda: bool(asked))
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("section.camera")).to_be_hidden()
    page.wait_for_function(ENDED)
    with page.expect_request(lambda request: request.method == "DELETE"):
        asked[0].continue_()
    wait_until(page, lambda: served.studio.named["me"].publishing is None)


def test_a_camera_whose_stream_is_removed_is_turned_off_and_told(served: Served, page: Page) -> None:
    sent(served, page)
    served.run(served.studio.remove("me"))
    expect(page.locator(".camera form").get_by_role("alert")).to_have_text(
        "The stream “me” was removed, so your camera was turned off."
    )
    page.wait_for_function(ENDED)
    expect(page.get_by_role("button", name="Use my camera")).to_be_enabled()


def test_an_older_answer_does_not_take_a_camera_for_removed(served: Served, page: Page) -> None:
    held: list[tuple[Route, APIResponse]] = []

    def hold_one(route: Route) -> None:
        if held:
            return route.continue_()
        return held.append((route, route.fetch()))

    page.add_init_script(ASK)
    page.goto(f"{served.url}/#watch=")
    start(page, "me")
    page.route("**/api/streams", hold_one)
    wait_until(page, lambda: bool(held))
    page.evaluate("allow()")
    expect(page.locator(".player").get_by_role("heading", name="me")).to_be_visible()
    with page.expect_response("**/api/streams"):
        held[0][0].fulfill(response=held[0][1])
    expect(page.locator(".headline")).to_be_visible()
    expect(page.get_by_role("button", name="Stop my camera")).to_be_visible()


def test_a_camera_that_is_unplugged_ends_what_is_sent(served: Served, page: Page) -> None:
    sent(served, page)
    page.evaluate(UNPLUG, "video")
    expect(page.locator(".camera form").get_by_role("alert")).to_contain_text("Your camera stopped: it was unplugged")
    page.wait_for_function(ENDED)
    wait_until(page, lambda: served.studio.named["me"].publishing is None)


def test_a_microphone_that_is_unplugged_is_told_and_the_picture_goes_on(served: Served, page: Page) -> None:
    sent(served, page)
    page.evaluate(UNPLUG, "audio")
    expect(page.locator(".running").get_by_role("alert")).to_contain_text("Your sound is not sent any more")
    publishing = served.studio.named["me"].publishing
    assert publishing is not None
    publishing.pictures.clear()
    wait_until(page, lambda: len(publishing.pictures) > 5)


def sent(served: Served, page: Page) -> None:
    page.add_init_script(KEEP)
    page.goto(f"{served.url}/#watch=")
    start(page, "me")
    expect(page.get_by_text("Your camera is sent as “me”")).to_be_visible()
    expect(page.locator(".headline")).to_be_visible()
