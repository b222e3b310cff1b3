"""The whole way: a real RTSP camera, the server as a process, a real browser, and the pixels that it shows."""

from __future__ import annotations

import base64
import contextlib
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Browser, Page
from playwright.sync_api import Error as PlaywrightError

from tests.helpers.browser import CHROMIUM, FLAGS, running_chromium
from tests.helpers.eyes import VIDEO, Eyes, rate, steps, wait_for_picture, watch
from tests.helpers.meeting import meeting_film, meeting_pictures
from tests.helpers.peers import program
from tests.helpers.rtsp import RtspServer, read_number
from tests.helpers.service import Service
from weights.store import Store

Image = npt.NDArray[np.uint8]

# Less than a camera's 25 a second, so that a busy machine keeps up; `python -m tests.bench.live` measures speed.
RATE = 15
FRAMES = 200
NAME = "door"
SETTINGS = "idle_seconds = 3.0\n"
ASTRONAUT = ((slice(290, 480), slice(870, 1040)), (slice(560, 710), slice(880, 1080)))
DRIVER = ((slice(290, 470), slice(240, 400)), (slice(540, 610), slice(260, 440)))
"""Where the enhanced picture has a face, and clothes of the same person, which nobody restores."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, store: Store) -> Path:
    return meeting_film(tmp_path_factory.mktemp("film") / "door.mp4", store, rate=RATE, seconds=FRAMES / RATE)


@pytest.fixture(scope="module")
def camera(film: Path) -> Iterator[RtspServer]:
    with RtspServer({NAME: film}) as camera:
        yield camera


@pytest.fixture(scope="module")
def service(camera: RtspServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("serve"), {NAME: camera.url(NAME)}, settings=SETTINGS) as service:
        service.until(NAME, state="live")
        yield service


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, service: Service) -> Iterator[Page]:
    page = watch(browser, service.url, NAME)
    yield page
    page.context.close()


def test_a_camera_is_seen_in_order_and_at_its_rate(page: Page, service: Service) -> None:
    eyes = Eyes(page)
    eyes.wait(RATE, seconds=30)  # the first faces, and the browser's buffer that grows and shrinks
    seen = eyes.wait(4 * RATE, seconds=30)
    rises = steps(seen, length=FRAMES)
    assert {(picture.width, picture.height) for picture in seen} == {(1280, 720)}
    assert [rise for rise in rises if rise > FRAMES // 2] == [], "a step back"
    # What the server dropped for want of time is missing; what it sent is shown once.
    assert sum(rise == 0 for rise in rises) <= 0.05 * len(rises), rises
    assert median(rises) <= 2, rises
    assert sum(rises) / RATE == pytest.approx(seen[-1].at - seen[0].at, rel=0.2)
    sent = service.status(NAME)["fps_out"]
    assert rate(seen) == pytest.approx(sent, rel=0.3)
    assert rate(seen) > RATE / 3


def test_what_is_seen_is_enhanced(page: Page, service: Service, film: Path) -> None:
    Eyes(page).wait(RATE, seconds=30)
    status = service.status(NAME)
    assert (status["width"], status["output_width"], status["scale"]) == (640, 1280, 2)
    assert service.metric("facelane_faces_total", stream=NAME, lane="transformer") > 0
    assert service.metric("facelane_batch_faces_sum", stream=NAME, lane="transformer") > 0
    # A face differs from what plain enlarging makes of it, more than clothes do, which differ by the coding alone: by a
    # few hundredths where nothing is restored. A busy machine may restore few faces for a while.
    deadline = time.monotonic() + 30
    while max(shares := _changes(_picture(page), film)) < 1.12:
        assert time.monotonic() < deadline, shares
        page.wait_for_timeout(300)


def _picture(page: Page) -> Image:
    grab = """(selector) => {
        const video = document.querySelector(selector);
        const canvas = Object.assign(document.createElement('canvas'), {width: 1280, height: 720});
        canvas.getContext('2d').drawImage(video, 0, 0);
        return canvas.toDataURL('image/png');
    }"""
    png = base64.b64decode(page.evaluate(grab, VIDEO).partition(",")[2])
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)


def _changes(picture: Image, film: Path) -> list[float]:
    """For each person, how many times as much the face differs from the film, only enlarged, as the clothes do."""
    number = read_number(picture)
    assert number is not None
    with av.open(str(film)) as source:
        frame = next(frame for index, frame in enumerate(source.decode(video=0)) if index == number)
        plain = cv2.resize(frame.to_ndarray(format="gray"), (1280, 720), interpolation=cv2.INTER_CUBIC)
    change = np.abs(picture.astype(np.float64) - plain)
    return [float(change[face].mean() / change[clothes].mean()) for face, clothes in (ASTRONAUT, DRIVER)]


def test_it_is_heard(page: Page, service: Service) -> None:
    service.until(NAME, has_sound=True)
    assert Eyes(page).loudest() > 0.02


def test_the_page_measures_glass_to_glass_and_tells_the_server(page: Page, service: Service) -> None:
    Eyes(page).wait(3 * RATE, seconds=30)
    words = page.locator("article.player .headline dd").all_inner_texts()
    assert re.fullmatch(r"\d+ ms", words[0]), words
    assert re.search(r"\d", words[1]), words
    count = service.metric("facelane_glass_to_glass_seconds_count", stream=NAME)
    assert count > 0
    assert 0.02 < service.metric("facelane_glass_to_glass_seconds_sum", stream=NAME) / count < 2.0


def test_prometheus_is_told_of_every_stage_and_finds_no_fault(page: Page, service: Service) -> None:
    Eyes(page).wait(RATE, seconds=30)
    exposition = service.get("/metrics")
    done = subprocess.run([program("promtool"), "check", "metrics"], input=exposition, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
    for stage in ("queue", "decode", "detect", "gate", "expert.transformer", "background", "blend", "encode"):
        assert service.metric("facelane_stage_seconds_count", stream=NAME, stage=stage) > 0, stage
    for name in ("facelane_input_frame_rate_hertz", "facelane_output_frame_rate_hertz"):
        assert service.metric(name, stream=NAME) == pytest.approx(RATE, rel=0.6), name
    assert 0 < service.metric("facelane_frame_age_seconds", stream=NAME) < 5
    assert service.metric("process_resident_memory_bytes") == pytest.approx(service.memory_bytes(), rel=0.2)


def test_a_viewer_who_vanishes_is_missed_by_nobody(page: Page, service: Service, browser: Browser) -> None:
    with _another(browser) as other:
        Eyes(watch(other, service.url, NAME)).wait(5, seconds=30)
        service.until(NAME, viewers=2)
        # No goodbye of any kind: the whole browser dies at once.
        with contextlib.suppress(PlaywrightError):
            other.new_browser_cdp_session().send("Browser.crash")
    service.until(NAME, viewers=1, seconds=20)
    assert service.metric("facelane_viewers", stream=NAME) == 1
    Eyes(page).wait(RATE, seconds=20)


def test_viewers_outlast_their_source(page: Page, service: Service, camera: RtspServer) -> None:
    eyes = Eyes(page)
    eyes.wait(5, seconds=30)
    camera.kill()
    try:
        service.until(NAME, state="retrying")
        state = page.locator("article.player .state")
        state.filter(has_text="Trying again").wait_for(timeout=10_000)
        _wait_until(page, lambda: page.locator("article.player .notice").inner_text() != "")
        # What is shown now is the last picture with a message: the connection is up, and its pictures go on coming.
        before = len(eyes.seen())
        _wait_until(page, lambda: len(eyes.seen()) > before + 2)
        assert service.status(NAME)["viewers"] == 1
    finally:
        camera.start()
    service.until(NAME, state="live")
    state.filter(has_text="Live").wait_for(timeout=10_000)
    eyes.wait(RATE, seconds=30)
    # At its rate again, once whatever a busy machine was doing at the return is done.
    _wait_until(page, lambda: median(steps(eyes.seen()[-RATE:], length=FRAMES)) in (1, 2), seconds=30)
    assert service.status(NAME)["reconnects"] >= 1
    assert service.metric("facelane_source_state", stream=NAME, state="live") == 1


def _wait_until(page: Page, is_so: Callable[[], bool], *, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, page.inner_text("body")
        page.wait_for_timeout(100)


def test_a_browser_publishes_its_camera_and_sees_itself_enhanced(
    service: Service, browser: Browser, store: Store, tmp_path: Path
) -> None:
    clip = _camera_clip(tmp_path / "camera.y4m", store)
    with _another(browser, f"--use-file-for-fake-video-capture={clip}") as other:
        page = other.new_context(permissions=["camera", "microphone"]).new_page()
        page.goto(f"{service.url}/#watch=")
        page.get_by_role("button", name="Use my camera").click()
        page.locator("#camera-name").fill("mine")
        page.get_by_role("button", name="Start", exact=True).click()
        service.until("mine", state="live")
        wait_for_picture(page)
        eyes = Eyes(page)
        seen = eyes.wait(2 * RATE, seconds=40)
        assert median(steps(seen, length=FRAMES // 2)) in (1, 2, 3)
        assert service.status("mine")["source"]["kind"] == "publish"
        _wait_until(page, lambda: service.metric("facelane_faces_total", stream="mine") > 0)
        page.get_by_role("button", name="Stop my camera").click()
        service.until("mine", state="waiting")


@contextlib.contextmanager
def _another(browser: Browser, *flags: str) -> Iterator[Browser]:
    """A browser of its own beside `browser`, driven by the same Playwright, of which a thread can have one."""
    other = browser.browser_type.launch(
        executable_path=CHROMIUM, args=[*FLAGS, *flags], ignore_default_args=["--mute-audio"]
    )
    try:
        yield other
    finally:
        other.close()


def _camera_clip(path: Path, store: Store) -> Path:
    """What Chromium takes for a camera, round and round."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W640 H360 F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for planes in meeting_pictures(store, faces=2, width=640, height=360, count=FRAMES // 2):
            file.write(b"FRAME\n" + planes.tobytes())
    return path
