"""What a player shows, read from its pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.helpers.browser import Pixels, Served, Watch, pixels, wait_until
from tests.helpers.staged import RETRYING, SAVING, StagedStudio, two_colors
from tests.helpers.studio import FACE, DemoStudio

# While a packed picture is on, the canvas covers it: looked at with every picture that is presented.
PACKED_BUT_BARE = """() => {
    const video = document.querySelector('video');
    const canvas = document.querySelector('.halves');
    window.packed = window.bare = 0;
    const look = (now, {width, height}) => {
        const isPacked = height > width * 0.7;
        window.packed += isPacked;
        window.bare += isPacked && canvas.hidden;
        video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
}"""


@pytest.fixture
def served() -> Iterator[Served]:
    with Served(two_colors) as server:
        yield server


@pytest.fixture
def live(served: Served, page: Page) -> Page:
    """A page that shows moving pictures."""
    page.goto(f"{served.url}/#watch=demo")
    expect(page.locator(".veil")).to_be_hidden()
    wait_until(page, lambda: bool(green(pixels(page.locator("video"))).mean() > 0.5))
    return page


def green(shown: Pixels) -> Pixels:
    return np.asarray((shown[..., 1] > 100) & (shown[..., 0] < 80))


def red(shown: Pixels) -> Pixels:
    return np.asarray((shown[..., 0] > 120) & (shown[..., 1] < 80))


def test_the_picture_moves_and_its_latency_is_measured(served: Served, live: Page) -> None:
    watch = Watch(live, served.url)
    first = pixels(live.locator("video"))
    wait_until(live, lambda: bool((green(pixels(live.locator("video"))) != green(first)).any()))
    figures = live.locator(".headline dd")
    expect(figures.nth(0)).to_contain_text(" ms")
    wait_until(live, lambda: float(figures.nth(1).inner_text()) > 5)
    glass = [seconds for viewing in served.studio.named["demo"].viewings for seconds in viewing.glass]
    assert glass
    assert all(0 < seconds < 10 for seconds in glass)
    watch.check()


def test_details_unfold_with_the_connection_in_words(live: Page) -> None:
    live.locator("summary").click()
    expect(live.get_by_text("connected directly", exact=True)).to_be_visible()
    expect(live.get_by_text("a newer one came first")).to_be_visible()
    expect(live.get_by_role("img", name="Glass to glass over the last minute")).to_be_visible()


def test_compare_draws_both_and_the_divider_moves(served: Served, live: Page) -> None:
    watch = Watch(live, served.url)
    live.evaluate(PACKED_BUT_BARE)
    halves, divider = live.locator(".halves"), live.get_by_role("slider")
    live.get_by_role("button", name="Compare").click()
    wait_until(live, lambda: bool(red(pixels(halves))[:, :30].all()))
    assert not red(pixels(halves))[:, 34:].any()
    divider.focus()
    divider.press("End")
    assert inside(live.locator(".grip"), live.locator(".stage"))
    divider.press("Home")
    assert inside(live.locator(".grip"), live.locator(".stage"))
    wait_until(live, lambda: not red(pixels(halves)).any())
    divider.press("PageUp")
    divider.press("ArrowRight")
    expect(divider).to_have_attribute("aria-valuenow", "12")
    drag(live, divider.bounding_box(), to=0.75)
    wait_until(live, lambda: bool(red(pixels(halves))[:, :46].all()))
    assert not red(pixels(halves))[:, 50:].any()
    assert live.evaluate("getSelection().isCollapsed")
    live.get_by_role("button", name="Compare").click()
    expect(halves).to_be_hidden()
    wait_until(live, lambda: not red(pixels(live.locator("video"))).any())
    assert live.evaluate("window.packed") > 0
    assert live.evaluate("window.bare") == 0
    watch.check()


def inside(inner: Locator, outer: Locator) -> bool:
    a, b = inner.bounding_box(), outer.bounding_box()
    assert a is not None
    assert b is not None
    return a["x"] >= b["x"] and a["x"] + a["width"] <= b["x"] + b["width"]


def drag(page: Page, box: object, *, to: float) -> None:
    assert isinstance(box, dict)
    stage = page.locator(".stage").bounding_box()
    assert stage is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(stage["x"] + stage["width"] * to, stage["y"] + stage["height"] / 2, steps=4)
    page.mouse.up()


WRITTEN = """() => {
    const write = CanvasRenderingContext2D.prototype.fillText;
    window.written = new Set();
    CanvasRenderingContext2D.prototype.fillText = function (text, ...where) {
        window.written.add(text);
        write.call(this, text, ...where);
    };
}"""


def test_boxes_are_drawn_where_the_faces_are(live: Page) -> None:
    live.evaluate(WRITTEN)
    live.get_by_role("button", name="Faces").click()
    expect(live.get_by_text("restored, transformer").first).to_be_visible()
    faces = live.locator("canvas.faces")
    # The demo's face lies between 0.4 and 0.6 of the width, and 0.3 and 0.7 of the height.
    edge = (
        "(canvas) => Array.from(canvas.getContext('2d').getImageData(canvas.width * %s, canvas.height / 2, 1, 1).data)"
    )
    wait_until(live, lambda: faces.evaluate(edge % 0.4)[:3] == [255, 160, 30])
    assert faces.evaluate(edge % 0.5)[3] == 0
    assert live.evaluate("[...window.written]") == ["#1 64 px transformer"]


def test_likeness_is_told_of_faces_that_were_judged_and_of_no_others(served: Served, live: Page) -> None:
    watch = Watch(live, served.url)
    live.evaluate(WRITTEN)
    live.get_by_role("button", name="Faces").click()
    live.locator("summary").click()
    section = live.get_by_role("heading", name="Likeness to the original")
    expect(live.get_by_role("heading", name="Dropped pictures")).to_be_visible()
    expect(section).to_be_hidden()
    demo = served.studio.named["demo"]
    demo.face = replace(FACE, similarity=0.874, strength=0.75)
    expect(section.locator("..").locator("dl")).to_have_text("face #10.874, 75 % laid on")
    wait_until(live, lambda: bool(live.evaluate("window.written.has('#1 64 px transformer, likeness 0.874')")))
    demo.face = FACE
    expect(section.locator("..").locator("dl")).to_have_text("No restored face that was judged")
    watch.check()


def test_sound_is_off_until_it_is_asked_for(live: Page) -> None:
    assert live.locator("video").evaluate("(video) => video.muted && video.srcObject.getAudioTracks().length") == 1
    live.get_by_role("button", name="Unmute").click()
    expect(live.get_by_role("button", name="Mute", exact=True)).to_be_visible()
    assert live.locator("video").evaluate("(video) => !video.muted && !video.paused")


def test_who_closes_a_player_or_the_page_leaves_the_stream(served: Served, live: Page) -> None:
    viewings = served.studio.named["demo"].viewings
    assert len(viewings) == 1
    live.get_by_role("button", name="Close demo").click()
    wait_until(live, lambda: not viewings)
    live.locator("nav li .open", has_text="demo").click()
    wait_until(live, lambda: len(viewings) == 1)
    live.goto("about:blank")
    wait_until(live, lambda: not viewings)


def test_a_source_that_is_away_is_told_in_the_place_of_figures(served: Served, live: Page) -> None:
    studio: DemoStudio = served.studio
    assert isinstance(studio, StagedStudio)
    studio.standing["demo"] = SAVING
    expect(live.get_by_text("saving work: lighter blending")).to_be_visible()
    studio.standing["demo"] = RETRYING
    player = live.locator(".player")
    expect(player.get_by_text("Trying again in 4 s: no answer in time")).to_be_visible()
    expect(player.get_by_text("camera.example did not answer within 5 s")).to_be_visible()
    expect(player.locator(".headline")).to_be_hidden()
    expect(live.locator("#spoken")).to_contain_text("demo: Trying again: no answer in time")


def test_a_full_stream_refuses_in_the_servers_words(served: Served, live: Page) -> None:
    for _ in range(7):
        served.run(view(served.studio))
    other = live.context.new_page()
    other.goto(f"{served.url}/#watch=demo")
    expect(other.locator(".veil")).to_contain_text("8 viewers watch demo already, the most it takes.")
    expect(other.locator(".veil")).to_contain_text("Trying again in")
    expect(other.locator(".veil")).not_to_contain_text("later")
    expect(other.locator(".headline")).to_be_hidden()
    served.run(let_one_leave(served.studio))
    other.get_by_role("button", name="Try now").click()
    expect(other.locator(".veil")).to_be_hidden()


async def view(studio: DemoStudio) -> None:
    studio.view("demo")


async def let_one_leave(studio: DemoStudio) -> None:
    next(iter(studio.named["demo"].viewings)).close()
