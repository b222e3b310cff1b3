"""A picture that the browser does not start or has paused, and one that is shown elsewhere than in the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.browser import Served, Watch, wait_until
from tests.helpers.staged import two_colors

# As a phone that saves power: nothing plays before the viewer touches the page.
NOT_BY_ITSELF = """
for (const type of ['click', 'keydown']) window.addEventListener(type, () => (window.touched = true), true);
const {play} = HTMLMediaElement.prototype;
HTMLMediaElement.prototype.play = function () {
    if (window.touched) return play.call(this);
    return Promise.reject(new DOMException('', 'NotAllowedError'));
};
const {setAttribute} = Element.prototype;
Element.prototype.setAttribute = function (name, value) {
    if (name !== 'autoplay') setAttribute.call(this, name, value);
};"""
# As an iPhone: nothing but a bare video fills the screen.
BARE_VIDEO_ALONE = """
delete Element.prototype.requestFullscreen;
HTMLVideoElement.prototype.webkitEnterFullscreen = function () {
    window.filled = [this.videoWidth, this.videoHeight];
};"""
MOVES = "() => document.querySelector('.stage video').currentTime > (window.before ?? 0)"


@pytest.fixture
def served() -> Iterator[Served]:
    with Served(two_colors) as server:
        yield server


def test_a_picture_that_the_browser_does_not_start_has_a_button_for_it(served: Served, page: Page) -> None:
    watch = Watch(page, served.url)
    page.add_init_script(NOT_BY_ITSELF)
    page.goto(f"{served.url}/#watch=demo")
    play = page.get_by_role("button", name="Play")
    expect(play).to_be_visible()
    expect(page.get_by_text("The browser has paused the picture.")).to_be_visible()
    expect(page.locator("#spoken")).to_contain_text("paused by the browser")
    expect(page.locator(".headline")).to_be_hidden()
    play.focus()
    play.press("Enter")
    expect(page.locator(".veil")).to_be_hidden()
    page.wait_for_function(MOVES)
    watch.check()


@pytest.mark.parametrize("name", ["Play", "Unmute", "Faces"])
def test_a_picture_that_was_paused_goes_on_with_any_press(served: Served, page: Page, name: str) -> None:
    page.goto(f"{served.url}/#watch=demo")
    expect(page.locator(".headline")).to_be_visible()
    page.wait_for_function(MOVES)
    video = page.locator(".stage video")
    video.evaluate("(video) => video.pause()")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    video.evaluate("(video) => { window.before = video.currentTime }")
    page.get_by_role("button", name=name).click()
    expect(page.locator(".veil")).to_be_hidden()
    page.wait_for_function(MOVES)


def test_a_phone_never_fills_its_screen_with_a_packed_picture(served: Served, page: Page) -> None:
    page.add_init_script(BARE_VIDEO_ALONE)
    page.goto(f"{served.url}/#watch=demo")
    expect(page.locator(".headline")).to_be_visible()
    full = page.get_by_role("button", name="Full screen")
    compare = page.get_by_role("button", name="Compare")
    compare.click()
    expect(full).to_be_disabled()
    expect(page.get_by_role("slider")).to_be_visible()
    compare.click()
    full.click()
    width, height = page.evaluate("window.filled")
    assert height < 0.7 * width
    expect(page.get_by_role("button", name="Picture in picture")).to_be_enabled()


def test_full_screen_of_the_page_is_there_while_comparing(served: Served, page: Page) -> None:
    page.goto(f"{served.url}/#watch=demo")
    expect(page.locator(".headline")).to_be_visible()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("slider")).to_be_visible()
    expect(page.get_by_role("button", name="Picture in picture")).to_be_disabled()
    page.get_by_role("button", name="Full screen").click()
    wait_until(page, lambda: bool(page.evaluate("document.fullscreenElement !== null")))
