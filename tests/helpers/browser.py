"""A real browser for tests of the page, and the server that it looks at, which runs on a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, sync_playwright

from tests.helpers.studio import DemoStudio
from web.server import Server
from web.settings import WebSettings

T = TypeVar("T")

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
WAIT_SECONDS = 15.0


@contextmanager
def running_chromium(*flags: str) -> Iterator[Browser]:
    """Debian's Chromium, headless, its camera a moving test picture. A machine without it fails."""
    assert CHROMIUM.exists(), f"{CHROMIUM} is missing: install Debian's package chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, *flags], ignore_default_args=["--mute-audio"]
        )
        try:
            yield browser
        finally:
            browser.close()


class Served:
    """A server over a studio on a thread of its own; `run` lets a coroutine run there."""

    def __init__(self, make_studio: Callable[[], DemoStudio], *, port: int = 0, token: str = "") -> None:
        self._make_studio = make_studio
        self._settings = WebSettings(port=port, token=token)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="served")
        self.studio: DemoStudio
        self.url = ""

    def __enter__(self) -> Served:
        self._thread.start()
        self.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=WAIT_SECONDS)

    async def _open(self) -> None:
        self.studio = self._make_studio()
        self._server = Server(self.studio, self._settings)
        await self._server.start()
        self.url = self._server.url

    async def _close(self) -> None:
        await self._server.aclose()
        await self.studio.aclose()
        # aiortc leaves the last words of its transports to the loop.
        await asyncio.sleep(0.1)


class Watch:
    """What a page must not do: complain, break the content security policy, or ask another host for anything."""

    def __init__(self, page: Page, url: str) -> None:
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self._url = url
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._see)

    def check(self) -> None:
        assert self.complaints == []
        assert self.foreign == []

    def forget(self) -> None:
        self.complaints.clear()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _see(self, request: Request) -> None:
        if not request.url.startswith((self._url, "data:", "blob:")):
            self.foreign.append(request.url)


PIXELS = """(element) => {
    const canvas = document.createElement('canvas');
    canvas.width = 64; canvas.height = 36;
    const context = canvas.getContext('2d');
    context.drawImage(element, 0, 0, 64, 36);
    return Array.from(context.getImageData(0, 0, 64, 36).data);
}"""
"""A video's or canvas's picture, as 64 x 36 RGBA values."""


def pixels(page: Page, selector: str) -> list[int]:
    values: list[int] = page.locator(selector).evaluate(PIXELS)
    return values


def refuse(route: Route) -> None:
    route.abort("connectionrefused")
