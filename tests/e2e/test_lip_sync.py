"""Sound against picture in a real browser, by its own account of what it plays, and by flashes seen and beeps heard."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

import pytest
from playwright.sync_api import Page

from tests.helpers.browser import running_chromium
from tests.helpers.eyes import VIDEO, wait_for_picture
from tests.helpers.rtsp import RtspServer, numbered_film
from tests.helpers.service import Service
from web.aiortc_hooks import PLAYOUT_DELAY

SAMPLES = 16
PATIENCE_SECONDS = 90
LIMIT_MS = 200
"""The goal is 40; on a machine that tests keep busy, browsers take more of everything, and longer to settle. Clocks
that are not told, or told wrongly, are off by more."""

KEEP_CONNECTIONS = """
window.connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...how) { super(...how); window.connections.push(this); }
};
"""

# When a beep begins, and when a picture that flashes is on the screen, both in ms of performance.now().
ATTEND = """async (selector) => {
    const video = document.querySelector(selector);
    const [beeps, flashes] = [window.beeps, window.flashes] = [[], []];
    const context = new AudioContext();
    await context.resume();
    const code = `registerProcessor('beeps', class extends AudioWorkletProcessor {
        quiet = sampleRate;
        process([[samples = []]]) {
            samples.forEach((sample, at) => {
                if (Math.abs(sample) < 0.1) return this.quiet++;
                if (this.quiet > sampleRate / 2) this.port.postMessage((currentFrame + at) / sampleRate);
                this.quiet = 0;
            });
            return true;
        }
    })`;
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], {type: 'text/javascript'})));
    const ear = new AudioWorkletNode(context, 'beeps');
    ear.port.onmessage = ({data}) => {
        const {contextTime, performanceTime} = context.getOutputTimestamp();
        beeps.push(performanceTime + 1000 * (data - contextTime));
    };
    context.createMediaStreamSource(video.srcObject).connect(ear).connect(context.destination);
    const pen = new OffscreenCanvas(16, 16).getContext('2d', {willReadFrequently: true});
    let flashed = true;
    const look = (now, {expectedDisplayTime}) => {
        video.requestVideoFrameCallback(look);
        pen.drawImage(video, 0, 0, 16, 16);
        const flashes_ = pen.getImageData(8, 10, 1, 1).data[0] > 170;
        if (flashes_ && !flashed) flashes.push(expectedDisplayTime);
        flashed = flashes_;
    };
    video.requestVideoFrameCallback(look);
}"""

# How much older, by its capture, what is heard now is than what is seen now, in ms.
LATENESS = """async () => {
    const playing = {};
    for (const {type, kind, estimatedPlayoutTimestamp} of (await window.connections.at(-1).getStats()).values())
        if (type === 'inbound-rtp') playing[kind] = estimatedPlayoutTimestamp;
    return playing.video - playing.audio;
}"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("sync")
    film = numbered_film(folder / "film.mp4", frames=500)
    with (
        RtspServer({"door": film}) as camera,
        Service(folder, {"door": camera.url("door")}) as service,
        running_chromium() as browser,
    ):
        service.until("door", state="live")
        # What listens is a script that the page's own policy would forbid.
        page = browser.new_context(bypass_csp=True).new_page()
        page.add_init_script(KEEP_CONNECTIONS)
        page.goto(f"{service.url}/#watch=door")
        wait_for_picture(page)
        page.get_by_role("button", name="Unmute").click()
        page.evaluate(ATTEND, VIDEO)
        yield page


def test_the_browser_may_show_pictures_as_they_come(page: Page) -> None:
    answer = page.evaluate("() => window.connections.at(-1).remoteDescription.sdp")
    assert PLAYOUT_DELAY in answer.split("m=video")[1]


def test_what_is_heard_is_what_is_seen(page: Page) -> None:
    lateness: list[float] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (is_together(lateness) and heard_with_seen(page)):
        assert time.monotonic() < deadline, (lateness[-SAMPLES:], beeps_after_flashes(page))
        page.wait_for_timeout(500)
        lateness.append(page.evaluate(LATENESS))


def is_together(lateness: list[float]) -> bool:
    return len(lateness) >= SAMPLES and abs(median(lateness[-SAMPLES:])) < LIMIT_MS


def heard_with_seen(page: Page) -> bool:
    """By flashes and beeps: listening by a script comes later by its own buffers, some 40 ms."""
    gaps = beeps_after_flashes(page)
    return len(gaps) >= 4 and -LIMIT_MS < median(gaps[-4:]) - 40 < LIMIT_MS


def beeps_after_flashes(page: Page) -> list[float]:
    """For each beep, how long after the flash next to it, in ms."""
    beeps, flashes = page.evaluate("() => [window.beeps, window.flashes]")
    return [min((beep - flash for flash in flashes), key=abs) for beep in beeps] if flashes else []
