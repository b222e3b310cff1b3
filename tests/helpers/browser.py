"""A real browser for tests of the page, and the server that it looks at, on a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, sync_playwright

from tests.helpers.studio import DemoStudio
from web.server import Server
from web.settings import WebSettings

T = TypeVar("T")

FAR_NAME = "facelane.example"
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
    # A name that a browser takes for a foreign machine, so no secure context: none but loopback is asked.
    f"--host-resolver-rules=MAP {FAR_NAME} 127.0.0.1",
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

    def __init__(
        self, make_studio: Callable[[], DemoStudio], *, port: int = 0, token: str = "", cors_origins: str = ""
    ) -> None:
        self._make_studio = make_studio
        self._settings = WebSettings(port=port, token=token, host_names=FAR_NAME, cors_origins=cors_origins)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="served")
        self._opened: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event
        self.studio: DemoStudio
        self.url = ""

    def __enter__(self) -> Served:
        self._thread.start()
        self._opened.result(timeout=WAIT_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(timeout=WAIT_SECONDS)
        assert not self._thread.is_alive(), f"the server did not end within {WAIT_SECONDS} s"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=WAIT_SECONDS)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self.studio = self._make_studio()
        server = Server(self.studio, self._settings)
        try:
            await server.start()
            self.url = server.url
            self._opened.set_result(None)
            await self._over.wait()
        except BaseException as error:
            if not self._opened.done():
                self._opened.set_exception(error)
            raise
        finally:
            await server.aclose()
            await self.studio.aclose()


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
        assert not self.complaints, self.complaints
        assert not self.foreign, self.foreign

    def forget(self) -> None:
        self.complaints.clear()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _see(self, request: Request) -> None:
        if not request.url.startswith((self._url, "data:", "blob:")):
            self.foreign.append(request.url)


def wait_until(page: Page, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        page.wait_for_timeout(50)


PIXELS = """(element) => {
    const canvas = document.createElement('canvas');
    canvas.width = 64; canvas.height = 36;
    const context = canvas.getContext('2d');
    context.drawImage(element, 0, 0, 64, 36);
    return Array.from(context.getImageData(0, 0, 64, 36).data);
}"""

Pixels = npt.NDArray[np.uint8]


def pixels(element: Locator) -> Pixels:
    """What a video or canvas shows, as (36, 64, 4) RGBA."""
    return np.array(element.evaluate(PIXELS), np.uint8).reshape(36, 64, 4)
