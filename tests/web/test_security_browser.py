"""What a real browser makes of the login, the policies and the checks of origin."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.helpers.browser import FAR_NAME, Served, running_chromium
from tests.helpers.http import TOKEN
from tests.helpers.studio import DemoStudio


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@contextmanager
def watched(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page of a fresh profile, and what its console has of errors."""
    context = browser.new_context(locale="en-GB")
    page, said = context.new_page(), list[str]()
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    try:
        yield page, said
    finally:
        context.close()


@pytest.mark.parametrize("name", ["127.0.0.1", FAR_NAME])
def test_logging_in_leads_to_the_page(browser: Browser, name: str) -> None:
    """By a name for which browsers send no Sec-Fetch-Site too."""
    with Served(DemoStudio, token=TOKEN) as served, watched(browser) as (page, said):
        page.goto(f"http://{name}:{served.port}/")
        # A browser gives autofocus when it paints, which may be after the page has loaded.
        page.wait_for_function("document.activeElement.id === 'token'")
        assert page.locator("form").evaluate("form => getComputedStyle(form).display") == "grid"
        page.fill("#token", "wrong")
        page.click("button")
        assert page.inner_text("[role=alert]") == "That isn't the token."
        page.fill("#token", TOKEN)
        page.click("button")
        page.wait_for_selector("#list li")
        assert page.url == f"http://{name}:{served.port}/"
        cookies = page.context.cookies()
        assert [(cookie["httpOnly"], cookie["sameSite"]) for cookie in cookies] == [(True, "Strict")]
        assert page.evaluate("document.cookie") == ""
        assert not [text for text in said if "401" not in text], said


@contextmanager
def foreign_site(folder: Path) -> Iterator[str]:
    """The address of an empty page of another origin."""
    (folder / "index.html").write_text("<!doctype html><title>foreign</title>")
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{site.server_address[1]}/"
        finally:
            site.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


ATTACKS = {
    "a deletion": """url => fetch(url + "/api/streams/demo", {method: "DELETE"}).then(() => "done", () => "refused")""",
    "a reading": """url => fetch(url + "/api/streams").then(() => "done", () => "refused")""",
    "events": """url => new Promise(done => { const source = new EventSource(url + "/api/events");
        source.onopen = () => done("done"); source.onerror = () => done("refused"); })""",
}


def test_a_page_of_another_origin_gets_nothing(browser: Browser, tmp_path: Path) -> None:
    with Served(DemoStudio) as served, foreign_site(tmp_path) as site, watched(browser) as (page, _):
        page.goto(site)
        for name in ("127.0.0.1", FAR_NAME):
            url = f"http://{name}:{served.port}"
            assert {kind: page.evaluate(attack, url) for kind, attack in ATTACKS.items()} == dict.fromkeys(
                ATTACKS, "refused"
            )
        assert set(served.studio.named) == {"demo"}


PLAYER = """async ({url, token}) => {
    const connection = new RTCPeerConnection();
    connection.addTransceiver("video", {direction: "recvonly"});
    const video = document.body.appendChild(document.createElement("video"));
    video.muted = true;
    connection.ontrack = event => {
        video.srcObject = new MediaStream([event.track]);
        video.play();
    };
    await connection.setLocalDescription();
    const authorization = token ? {Authorization: `Bearer ${token}`} : {};
    const ask = (address, method, headers, body) =>
        fetch(address, {method, body, headers: {...authorization, ...headers}});
    const offer = connection.localDescription.sdp;
    const answer = await ask(url + "/whep/demo", "POST", {"Content-Type": "application/sdp"}, offer);
    if (answer.status !== 201)
        return {posted: answer.status, challenge: answer.headers.get("WWW-Authenticate")};
    await connection.setRemoteDescription({type: "answer", sdp: await answer.text()});
    const session = new URL(answer.headers.get("Location"), url), tag = answer.headers.get("ETag");
    const ufrag = offer.match(/a=ice-ufrag:.*/)[0];
    const fragment = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": tag};
    const trickled = await ask(session, "PATCH", fragment, ufrag + "\\r\\n");
    await new Promise(done => video.requestVideoFrameCallback(() => video.requestVideoFrameCallback(done)));
    const width = video.videoWidth, ended = await ask(session, "DELETE", {});
    connection.close();
    const patch = answer.headers.get("Accept-Patch");
    return {posted: 201, patch, trickled: trickled.status, width, ended: ended.status};
}"""
PLAYED = {"posted": 201, "patch": "application/trickle-ice-sdpfrag", "trickled": 204, "width": 640, "ended": 200}


def test_a_page_of_an_origin_that_is_let_in_plays_by_the_token_alone(browser: Browser, tmp_path: Path) -> None:
    with (
        foreign_site(tmp_path) as site,
        Served(DemoStudio, token=TOKEN, cors_origins=site.rstrip("/")) as served,
        watched(browser) as (page, _),
    ):
        own = f"http://127.0.0.1:{served.port}"
        page.goto(own)
        page.fill("#token", TOKEN)
        page.click("button")
        page.wait_for_selector("#list li")
        page.goto(site)
        for url in (own, f"http://{FAR_NAME}:{served.port}"):
            assert page.evaluate(PLAYER, {"url": url, "token": TOKEN}) == PLAYED
            refused = {"posted": 401, "challenge": 'Bearer realm="facelane"'}
            assert page.evaluate(PLAYER, {"url": url, "token": ""}) == refused
            assert {kind: page.evaluate(attack, url) for kind, attack in ATTACKS.items()} == dict.fromkeys(
                ATTACKS, "refused"
            )


def test_a_page_of_an_origin_that_is_not_let_in_plays_nothing(browser: Browser, tmp_path: Path) -> None:
    with (
        foreign_site(tmp_path) as site,
        Served(DemoStudio, cors_origins="https://player.example") as served,
        watched(browser) as (page, _),
    ):
        page.goto(site)
        play = f"argument => ({PLAYER})(argument).catch(() => 'refused')"
        assert page.evaluate(play, {"url": f"http://127.0.0.1:{served.port}", "token": ""}) == "refused"
