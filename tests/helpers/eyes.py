"""What a browser really shows: numbers read from the video element's pixels, and when each was on the screen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from playwright.sync_api import Browser, Page

VIDEO = "article.player video"

LOOK = """async (selector) => {
    const video = document.querySelector(selector);
    const canvas = Object.assign(document.createElement('canvas'), {width: 128, height: 8});
    const context = canvas.getContext('2d', {willReadFrequently: true});
    const seen = window.seenByTest = [];
    const level = (data, x, y) => (data[4 * (128 * y + x - 1)] + data[4 * (128 * y + x)]) / 2;
    const look = (now, frame) => {
        video.requestVideoFrameCallback(look);
        const [width, height] = [video.videoWidth, video.videoHeight];
        context.drawImage(video, 0, 0, width, height / 8, 0, 0, 128, 8);
        const {data} = context.getImageData(0, 0, 128, 8);
        let number = 0;
        for (let bit = 0; bit < 16; bit++) {
            const [above, below] = [level(data, 8 * bit + 4, 1), level(data, 8 * bit + 4, 6)];
            if (Math.abs(above - below) < 60) number = NaN;
            number = number * 2 + (above > below);
        }
        seen.push([Number.isNaN(number) ? -1 : number, frame.expectedDisplayTime, width, height]);
    };
    video.requestVideoFrameCallback(look);
}"""

LISTEN = """async (selector) => {
    const video = document.querySelector(selector);
    const context = new AudioContext();
    await context.resume();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(video.srcObject).connect(analyser);
    const wave = new Float32Array(analyser.fftSize);
    let loudest = 0;
    for (let i = 0; i < 40 && loudest < 0.02; i++) {
        await new Promise((done) => setTimeout(done, 100));
        analyser.getFloatTimeDomainData(wave);
        loudest = Math.max(loudest, ...wave.map(Math.abs));
    }
    await context.close();
    return loudest;
}"""


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture on the screen. `number`: what it carries, None where it can't be read. `at`: monotonic seconds of this
    machine at which it is shown. `width`, `height`: of the coded picture."""

    number: int | None
    at: float
    width: int
    height: int


def watch(browser: Browser, url: str, name: str, *, seconds: float = 30.0) -> Page:
    """A page, of a context of its own, that shows the stream; fails where no picture comes in `seconds`."""
    page = browser.new_context().new_page()
    page.goto(f"{url}/#watch={name}")
    wait_for_picture(page, seconds=seconds)
    return page


def wait_for_picture(page: Page, *, seconds: float = 30.0) -> None:
    """Until the first player has a picture; fails where it doesn't come."""
    # Not by `wait_for_function`: that is `eval`, which the page's policy forbids.
    deadline = time.monotonic() + seconds
    while not page.evaluate("(selector) => document.querySelector(selector)?.videoWidth ?? 0", VIDEO):
        assert time.monotonic() < deadline, f"no picture in {seconds} s: {page.inner_text('body')}"
        page.wait_for_timeout(100)


class Eyes:
    """Looks at the first player of a page, from when it is made; made once a picture is there."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.evaluate(LOOK, VIDEO)
        self._offset = _clock_offset(page)

    def seen(self) -> list[Seen]:
        """All pictures so far, in the order in which they were shown."""
        return [
            Seen(number if number >= 0 else None, at / 1000 + self._offset, width, height)
            for number, at, width, height in self._page.evaluate("() => window.seenByTest")
        ]

    def wait(self, count: int, *, seconds: float) -> list[Seen]:
        """The next `count` pictures that can be read; fails where they don't come in `seconds`."""
        before = len(self.seen())
        deadline = time.monotonic() + seconds
        while len(readable := [picture for picture in self.seen()[before:] if picture.number is not None]) < count:
            assert time.monotonic() < deadline, f"{len(readable)} of {count} pictures in {seconds} s"
            self._page.wait_for_timeout(100)
        return readable[:count]

    def loudest(self) -> float:
        """The greatest sample (0 to 1) of the sound within a few seconds; returns as soon as it is heard."""
        return float(self._page.evaluate(LISTEN, VIDEO))


def _clock_offset(page: Page) -> float:
    """What to add to the page's `performance.now()`, in seconds, for `time.monotonic()`: by the quickest of ten."""
    asked: list[tuple[float, float]] = []
    for _ in range(10):
        before = time.monotonic()
        now: Any = page.evaluate("() => performance.now()")
        after = time.monotonic()
        asked.append((after - before, (before + after) / 2 - now / 1000))
    return min(asked)[1]


def steps(pictures: Sequence[Seen], *, length: int) -> list[int]:
    """By how much the number rises from each picture to the next, in a film of `length` pictures that begins anew; 0 is
    a repeat, and more than half the film a step back."""
    numbers = [picture.number for picture in pictures if picture.number is not None]
    return [(after - before) % length for before, after in pairwise(numbers)]


def rate(pictures: Sequence[Seen]) -> float:
    """Pictures a second."""
    return (len(pictures) - 1) / (pictures[-1].at - pictures[0].at)
