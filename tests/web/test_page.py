"""The page around the pictures: the list, its words, its questions, the way in, and a server that goes and comes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.browser import Served, Watch
from tests.helpers.staged import FAILED, RETRYING, WAITING, StagedStudio

TOKEN = "a-token-that-is-long-enough"


@pytest.fixture
def served() -> Iterator[Served]:
    standing = {"yard": RETRYING, "gate": FAILED, "guest": WAITING}
    with Served(lambda: StagedStudio("door", "yard", "gate", "guest", standing=standing)) as server:
        yield server


def entry(page: Page, name: str) -> str:
    return page.locator("nav li", has_text=name).inner_text()


def test_the_list_tells_every_stream_and_its_state(served: Served, page: Page) -> None:
    watch = Watch(page, served.url)
    page.goto(f"{served.url}/#watch=")
    expect(page.locator("nav li")).to_have_count(4)
    assert "Live" in entry(page, "door")
    assert "Trying again in 4 s: no answer in time" in entry(page, "yard")
    assert "Failed: name or password wrong" in entry(page, "gate")
    assert "Waiting for a publisher" in entry(page, "guest")
    expect(page.get_by_text("Choose a stream from the list")).to_be_visible()
    watch.check()


def test_the_first_live_stream_is_shown_unasked(served: Served, page: Page) -> None:
    page.goto(served.url)
    expect(page.get_by_role("heading", name="door")).to_be_visible()
    expect(page.locator(".player")).to_have_count(1)


def test_streams_are_opened_and_closed_and_the_address_remembers_them(served: Served, page: Page) -> None:
    page.goto(f"{served.url}/#watch=door")
    page.locator("nav li .open", has_text="yard").click()
    expect(page.locator(".player")).to_have_count(2)
    expect(page.get_by_text("camera.example did not answer within 5 s: is it on?")).to_be_visible()
    page.get_by_role("button", name="Close door").click()
    expect(page.locator(".player")).to_have_count(1)
    assert page.url.endswith("#watch=yard")
    page.reload()
    expect(page.get_by_role("heading", name="yard")).to_be_visible()


@pytest.mark.parametrize("cut", ["50%", "%E0%A4", "door,%"])
def test_a_name_in_the_address_that_cannot_be_read_is_left_out(served: Served, page: Page, cut: str) -> None:
    watch = Watch(page, served.url)
    page.goto(f"{served.url}/#watch={cut}")
    expect(page.locator("nav li")).to_have_count(4)
    expect(page.locator(".player")).to_have_count(1 if "door" in cut else 0)
    watch.check()


def test_without_streams_the_page_says_how_to_begin(served: Served, page: Page) -> None:
    for name in list(served.studio.named):
        served.run(served.studio.remove(name))
    page.goto(served.url)
    expect(page.get_by_role("heading", name="No streams yet")).to_be_visible()
    expect(page.get_by_text(f"{served.url}/whip/NAME")).to_be_visible()


def test_who_may_mend_a_stream_is_told_how(served: Served, page: Page) -> None:
    page.goto(f"{served.url}/#watch=gate,guest")
    expect(page.get_by_text("remove the stream and add it again")).to_be_visible()
    expect(page.get_by_text(f"Publish to {served.url}/whip/guest")).to_be_visible()


def test_adding_shows_the_servers_own_words_and_then_the_stream(served: Served, page: Page) -> None:
    page.goto(f"{served.url}/#watch=")
    page.get_by_role("button", name="Add a stream").click()
    page.get_by_label("Name", exact=True).fill("hall")
    page.get_by_label("Address").fill("file:/etc/passwd")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_have_text(
        "file is not allowed here: give an rtsp address."
    )
    page.get_by_label("Address").fill("rtsp://camera.example/stream")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("heading", name="hall")).to_be_visible()
    assert "hall" in served.studio.named


def test_removing_asks_first(served: Served, page: Page) -> None:
    page.goto(f"{served.url}/#watch=door")
    page.get_by_role("button", name="Remove door").click()
    page.get_by_role("button", name="Cancel").click()
    assert "door" in served.studio.named
    page.get_by_role("button", name="Remove door").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator("nav li")).to_have_count(3)
    expect(page.locator(".player")).to_have_count(0)
    assert "door" not in served.studio.named


def test_a_stream_that_somebody_else_removes_says_so(served: Served, page: Page) -> None:
    page.goto(f"{served.url}/#watch=door")
    expect(page.locator(".veil")).to_be_hidden()
    served.run(served.studio.remove("door"))
    expect(page.locator(".veil").get_by_text("This stream was removed.", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Try now")).to_have_count(0)


def test_a_server_that_comes_back_is_found_again(page: Page) -> None:
    with Served(lambda: StagedStudio("door")) as server:
        page.goto(server.url)
        expect(page.locator(".veil")).to_be_hidden()
    expect(page.locator("#banner")).to_contain_text("The server can't be reached. Trying again in")
    expect(page.locator("nav li")).to_contain_text("Server away")
    with Served(lambda: StagedStudio("door"), port=server.port):
        expect(page.locator("#banner")).to_be_hidden(timeout=15_000)
        expect(page.locator(".veil")).to_be_hidden(timeout=15_000)
        expect(page.locator("nav li")).to_contain_text("Live")


def test_who_must_show_a_token_comes_in_by_the_form_and_out_again(page: Page) -> None:
    with Served(lambda: StagedStudio("door"), token=TOKEN) as server:
        page.goto(server.url)
        page.get_by_role("textbox").fill(TOKEN)
        page.get_by_role("button").click()
        expect(page.get_by_role("heading", name="door")).to_be_visible()
        page.context.clear_cookies()
        expect(page.get_by_role("textbox")).to_be_visible()
        expect(page.get_by_role("heading", name="door")).to_have_count(0)


BESIDE_THE_PAGE = """(buttons) => buttons.filter((button) => button.getBoundingClientRect().right > innerWidth)
    .map((button) => button.textContent)"""


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_shows_one_column_and_never_scrolls_sideways(served: Served, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{served.url}/#watch=door,yard,gate")
    expect(page.locator(".player")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".controls .button:visible").evaluate_all(BESIDE_THE_PAGE) == []
    lefts = {round(box.bounding_box()["x"]) for box in page.locator(".player").all()}  # type: ignore[index]
    assert len(lefts) == 1


ROWS = """(controls) => controls.map((each) => new Set([...each.querySelectorAll('.button')]
    .filter((button) => button.checkVisibility())
    .map((button) => Math.round(button.getBoundingClientRect().top))).size)"""


def test_the_controls_are_one_row_however_wide_a_player_is(served: Served, page: Page) -> None:
    """At 1280 px two stand side by side, and are narrower than the single one of a tablet."""
    page.goto(f"{served.url}/#watch=door,yard")
    expect(page.locator(".player")).to_have_count(2)
    rows = {}
    for width in (1280, 1240, *range(540, 360, -15)):
        page.set_viewport_size({"width": width, "height": 844})
        rows[width] = page.locator(".controls").evaluate_all(ROWS)
    assert rows == {width: [1, 1] for width in rows}


NAMELESS = """() => [...document.querySelectorAll('button, input, select, a, summary, video, [role]')]
    .filter((element) => !element.closest('[hidden]'))
    .filter((element) => !(element.innerText || element.textContent || element.getAttribute('aria-label')
        || element.labels?.length || ['status', 'alert', 'presentation'].includes(element.role)))
    .map((element) => element.outerHTML)"""

CONTRASTS = """() => {
    const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
        .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (element) => {
        const own = numbers(getComputedStyle(element).backgroundColor);
        return own.length < 4 || own[3] === 1 || !element.parentElement ? own : ground(element.parentElement);
    };
    const texts = [...document.querySelectorAll('body *')].filter((element) => element.checkVisibility()
        && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())
        && !element.closest('.stage, :disabled, noscript'));
    return texts.map((element) => {
        const pair = [light(numbers(getComputedStyle(element).color)), light(ground(element))].sort((a, b) => b - a);
        return [element.textContent, (pair[0] + 0.05) / (pair[1] + 0.05)];
    });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_has_a_name_and_every_text_stands_out(served: Served, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    page.goto(f"{served.url}/#watch=door,yard,gate,guest")
    expect(page.locator(".player")).to_have_count(4)
    page.locator("summary").first.click()
    page.get_by_role("button", name="Use my camera").click()
    page.mouse.move(0, 0)
    assert page.evaluate(NAMELESS) == []
    contrasts: list[tuple[str, float]] = page.evaluate(CONTRASTS)
    assert len(contrasts) > 30
    assert [text for text, ratio in contrasts if ratio < 4.5] == []  # WCAG 2.2, 1.4.3
