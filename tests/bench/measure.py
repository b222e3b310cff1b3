"""One measurement: a camera, the server as a process, viewers, and what is read of all of them while it runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from playwright.sync_api import Page

from tests.bench.sent import SentLog
from tests.helpers.browser import running_chromium
from tests.helpers.eyes import Eyes, Seen, rate, steps, watch
from tests.helpers.rtsp import RtspServer
from tests.helpers.service import Service

STREAM = "bench"
WINDOW_SECONDS = 5.0
"""Of the server's own percentiles: they are asked for this often."""
STEADY_SECONDS = 8.0
"""What is not counted: connecting, the first faces, the browser's growing and shrinking buffer."""
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Viewers:
    """`browsers`: pages in one Chromium, each of which decodes. `light`: clients that throw away what they get."""

    browsers: int
    light: int

    def __str__(self) -> str:
        pages = f"{self.browsers} in Chromium" if self.browsers else ""
        return " + ".join(part for part in (pages, f"{self.light} light" if self.light else "") if part) or "none"


@dataclass(slots=True)
class Figures:
    """What one measurement found; times in milliseconds, `latency_*` lists one figure for each window."""

    viewers: str
    seconds: float = 0.0
    fps_in: float | None = None
    fps_out: float | None = None
    viewer_fps: float | None = None
    viewer_repeats: int = 0
    viewer_skips: int = 0
    light_fps: list[float] = field(default_factory=list)
    latency_p50: list[float] = field(default_factory=list)
    latency_p95: list[float] = field(default_factory=list)
    glass_p50: float | None = None
    glass_p95: float | None = None
    page_glass: list[float] = field(default_factory=list)
    cpu_cores: float = 0.0
    machine_busy: float = 0.0
    drops: dict[str, int] = field(default_factory=dict)
    efforts: list[str] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)
    memory_mb: list[float] = field(default_factory=list)
    memory_slope_mb_per_hour: float = 0.0

    @property
    def memory_slope_share_per_hour(self) -> float:
        """Of the mean."""
        return self.memory_slope_mb_per_hour / float(np.mean(self.memory_mb)) if self.memory_mb else 0.0


class Bench:
    """Measures one source with changing viewers. `film`: what the camera plays, round and round."""

    def __init__(self, film: Path, folder: Path, *, film_frames: int) -> None:
        self._film = film
        self._folder = folder
        self._film_frames = film_frames
        self._sent = SentLog()

    def measure(self, viewers: Viewers, *, seconds: float) -> Figures:
        """Starts everything anew, lets it settle, and watches it for `seconds`."""
        found = Figures(str(viewers))
        with (
            RtspServer({STREAM: self._film}, on_sent=self._sent.put) as camera,
            Service(self._folder, {STREAM: camera.url(STREAM)}) as service,
            ExitStack() as stack,
        ):
            service.until(STREAM, state="live")
            stack.enter_context(light_viewers(service, viewers.light, found))
            pages = stack.enter_context(watching(service, viewers.browsers))
            _wait_for_viewers(service, viewers.browsers + viewers.light)
            _pause(pages, STEADY_SECONDS)
            self._watch(service, pages, found, seconds)
        return found

    def _watch(self, service: Service, pages: Sequence[Page], found: Figures, seconds: float) -> None:
        eyes = Eyes(pages[0]) if pages else None
        before = _Counts(service)
        while time.monotonic() < before.at + seconds:
            _pause(pages, min(WINDOW_SECONDS, before.at + seconds - time.monotonic()))
            _sample(service, pages, found)
        after = _Counts(service)
        found.seconds = after.at - before.at
        found.cpu_cores = (after.cpu - before.cpu) / found.seconds
        found.machine_busy = (after.busy - before.busy) / found.seconds
        found.drops = {name: after.drops[name] - before.drops.get(name, 0) for name in after.drops}
        found.drops = {name: count for name, count in found.drops.items() if count}
        found.fps_in = (after.frames_in - before.frames_in) / found.seconds
        found.fps_out = (after.frames_out - before.frames_out) / found.seconds
        found.memory_slope_mb_per_hour = _slope(found.memory_mb, found.seconds)
        if eyes is not None:
            self._see(eyes.seen(), found)

    def _see(self, seen: Sequence[Seen], found: Figures) -> None:
        ages = [self._sent.age(picture.number, picture.at) for picture in seen if picture.number is not None]
        known = [1000 * age for age in ages if age is not None]
        if len(known) < 2:
            return
        found.glass_p50, found.glass_p95 = (float(value) for value in np.percentile(known, (50, 95)))
        found.viewer_fps = rate(seen)
        rises = steps(seen, length=self._film_frames)
        found.viewer_repeats = sum(rise == 0 for rise in rises)
        found.viewer_skips = sum(rise - 1 for rise in rises if 1 < rise < self._film_frames // 2)


class _Counts:
    """What only rises, now. `busy`: seconds in which cores of the machine worked."""

    def __init__(self, service: Service) -> None:
        self.at = time.monotonic()
        self.cpu = service.cpu_seconds()
        self.busy = _busy_seconds()
        self.drops: dict[str, int] = dict(service.status(STREAM)["drops"])
        self.frames_in = service.metric("facelane_frames_in_total", stream=STREAM)
        self.frames_out = service.metric("facelane_frames_out_total", stream=STREAM, rendition="enhanced")


@contextmanager
def watching(service: Service, count: int) -> Iterator[list[Page]]:
    """So many pages of the stream in one browser."""
    if not count:
        yield []
        return
    with running_chromium() as browser:
        yield [watch(browser, service.url, STREAM) for _ in range(count)]


@contextmanager
def light_viewers(service: Service, count: int, found: Figures) -> Iterator[None]:
    """So many viewers in a process of their own that decode nothing; what they got is found at the end."""
    if not count:
        yield
        return
    command = [sys.executable, "-m", "tests.bench.light", f"{service.url}/whep/{STREAM}", str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
        said, _ = process.communicate()
    found.light_fps = [got["pictures"] / max(got["seconds"], 1.0) for got in json.loads(said)]


def _wait_for_viewers(service: Service, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (there := service.status(STREAM)["viewers"]) != count:
        assert time.monotonic() < deadline, f"{there} of {count} viewers"
        time.sleep(0.2)


def _pause(pages: Sequence[Page], seconds: float) -> None:
    """A page that nobody attends to keeps its messages, so it is the one that waits."""
    if pages:
        pages[0].wait_for_timeout(1000 * max(seconds, 0.0))
    else:
        time.sleep(max(seconds, 0.0))


def _sample(service: Service, pages: Sequence[Page], found: Figures) -> None:
    status = service.status(STREAM)
    latency = status["latency_ms"] or {}
    if latency.get("p50") is not None:
        found.latency_p50.append(latency["p50"])
        found.latency_p95.append(latency["p95"])
    found.efforts.append(status["effort"]["name"])
    found.stages = status["stages_ms"]
    found.memory_mb.append(service.memory_bytes() / 1e6)
    for page in pages[:1]:
        words = page.locator("article.player .headline dd").first.inner_text()
        found.page_glass += [float(number) for number in re.findall(r"[\d.]+", words)[:1]]


def _busy_seconds() -> float:
    fields = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / 100


def _slope(megabytes: Sequence[float], seconds: float) -> float:
    """By least squares, in MB an hour."""
    if len(megabytes) < 3:
        return 0.0
    at = np.linspace(0.0, seconds / 3600, len(megabytes))
    return float(np.polyfit(at, megabytes, 1)[0])
