"""Live sources by HTTP (MJPEG, HLS), and files played as if they were live."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.live.ports import Cause, SourceState
from streamer.media.network.policy import SourcePolicy
from streamer.media.network.settings import NetworkSettings
from streamer.media.network.source import NetworkSource
from tests.helpers.inlet import CollectingInlet
from tests.helpers.rtsp import numbered_film
from tests.helpers.web_camera import WebCamera

QUICK = NetworkSettings(
    open_timeout_seconds=3.0, read_timeout_seconds=3.0, retry_first_seconds=0.3, retry_max_seconds=0.6
)
LOGIN = "user:hidden-word"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web")
    film = numbered_film(folder / "film.mp4", frames=75, width=320, height=180)
    with (
        av.open(str(film)) as source,
        av.open(
            str(folder / "live.m3u8"), "w", format="hls", options={"hls_time": "1", "hls_playlist_type": "vod"}
        ) as target,
    ):
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return folder


@pytest.fixture
def camera(folder: Path) -> Iterator[WebCamera]:
    redirects = {
        "moved.mjpg": "/video.mjpg",
        "away.mjpg": "http://169.254.169.254/latest",
        "file.mjpg": "file:///etc/passwd",
        "round.mjpg": "/round.mjpg",
    }
    with WebCamera(folder, login=LOGIN, redirects=redirects) as running:
        yield running


@pytest.fixture
def inlet() -> CollectingInlet:
    return CollectingInlet()


def closed(source: NetworkSource) -> float:
    started = time.monotonic()
    asyncio.run(source.aclose())
    return time.monotonic() - started


def test_mjpeg_plays_and_ends_at_once(camera: WebCamera, inlet: CollectingInlet) -> None:
    source = NetworkSource(camera.url("video.mjpg"), QUICK)
    source.start(inlet)
    inlet.wait_frames(30)
    assert closed(source) < 1.0
    numbers = [number for number in inlet.numbers if number is not None]
    assert np.diff(numbers).tolist() == [1] * (len(inlet.frames) - 1)
    assert np.median(np.diff([frame.captured_at for frame in inlet.frames])) == pytest.approx(0.04, abs=0.01)


def test_mjpeg_with_a_login_and_over_a_redirect(camera: WebCamera, inlet: CollectingInlet) -> None:
    source = NetworkSource(camera.url("private.mjpg", login=LOGIN), QUICK)
    source.start(inlet)
    inlet.wait_frames(3)
    closed(source)
    source = NetworkSource(camera.url("moved.mjpg"), QUICK)
    source.start(inlet)
    inlet.wait_frames(3)
    closed(source)


@pytest.mark.parametrize(
    ("path", "login", "cause"),
    [
        ("private.mjpg", "", Cause.UNAUTHORISED),
        ("private.mjpg", "user:bad-word", Cause.UNAUTHORISED),
        ("none.mp4", "", Cause.NOT_FOUND),
        ("none.m3u8", "", Cause.NOT_FOUND),
    ],
)
def test_what_the_server_answers_is_said(
    camera: WebCamera, inlet: CollectingInlet, path: str, login: str, cause: Cause
) -> None:
    source = NetworkSource(camera.url(path, login=login), QUICK)
    source.start(inlet)
    assert inlet.wait_state(SourceState.FAILED).cause is cause
    closed(source)
    assert "bad-word" not in str(inlet.statuses)


@pytest.mark.parametrize("path", ["round.mjpg", "file.mjpg"])
def test_redirects_that_lead_nowhere_end(camera: WebCamera, inlet: CollectingInlet, path: str) -> None:
    source = NetworkSource(camera.url(path), QUICK)
    source.start(inlet)
    assert inlet.wait_state(SourceState.RETRYING).cause is Cause.OTHER
    closed(source)
    assert not inlet.frames


def test_a_server_that_says_nothing_times_out(camera: WebCamera, inlet: CollectingInlet) -> None:
    settings = NetworkSettings(open_timeout_seconds=0.5, read_timeout_seconds=0.5)
    source = NetworkSource(camera.url("silent"), settings)
    source.start(inlet)
    assert inlet.wait_state(SourceState.RETRYING).cause is Cause.TIMED_OUT
    closed(source)


def test_a_redirect_is_looked_at_as_the_address_was(camera: WebCamera, inlet: CollectingInlet) -> None:
    policy = SourcePolicy(hosts=("127.0.0.1",))
    source = NetworkSource(camera.url("away.mjpg"), QUICK, policy=policy)
    source.start(inlet)
    status = inlet.wait_state(SourceState.RETRYING)
    closed(source)
    assert "169.254.169.254" in status.message
    assert "not among the hosts" in status.message


def test_a_redirect_leads_to_no_other_protocol(camera: WebCamera, inlet: CollectingInlet) -> None:
    """Python's own opener would follow it by FTP, past the policy."""
    with socket.create_server(("127.0.0.1", 0)) as inside:
        inside.setblocking(False)
        camera.redirects["inside.mjpg"] = f"ftp://127.0.0.1:{inside.getsockname()[1]}/secret"
        source = NetworkSource(camera.url("inside.mjpg"), QUICK, policy=SourcePolicy(hosts=("127.0.0.1/32",)))
        source.start(inlet)
        status = inlet.wait_state(SourceState.RETRYING)
        closed(source)
        with pytest.raises(BlockingIOError):
            inside.accept()
    assert "elsewhere than to HTTP" in status.message


def test_what_a_redirect_says_beside_is_not_read(camera: WebCamera, inlet: CollectingInlet) -> None:
    """It may have no end."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        head = f"HTTP/1.1 302 Found\r\nLocation: {camera.url('video.mjpg')}\r\n\r\n"

        def lead_on() -> None:
            asked, _ = door.accept()
            with asked, contextlib.suppress(OSError):
                asked.recv(4096)
                asked.sendall(head.encode())
                while True:
                    asked.sendall(b"x" * 65536)

        leading = threading.Thread(target=lead_on)
        leading.start()
        source = NetworkSource(f"http://127.0.0.1:{door.getsockname()[1]}/", QUICK)
        source.start(inlet)
        inlet.wait_frames(5)
        closed(source)
        leading.join()


def test_hls_plays_at_its_own_pace(camera: WebCamera, inlet: CollectingInlet) -> None:
    source = NetworkSource(camera.url("files/live.m3u8"), QUICK)
    source.start(inlet)
    inlet.wait_frames(40)
    closed(source)
    assert inlet.arrivals[39] - inlet.arrivals[0] > 1.2
    numbers = [number for number in inlet.numbers if number is not None]
    assert np.diff(numbers).tolist() == [1] * (len(inlet.frames) - 1)
    assert source.has_sound
    assert inlet.packets


def test_a_playlist_leads_nowhere_that_the_policy_refuses(
    camera: WebCamera, inlet: CollectingInlet, folder: Path
) -> None:
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n"
    for name, part in {"inside": "http://127.0.0.2:1/part.ts", "secret": f"file://{folder}/live0.ts"}.items():
        (folder / f"{name}.m3u8").write_text(f"{head}{part}\n#EXT-X-ENDLIST\n")
        source = NetworkSource(camera.url(f"files/{name}.m3u8"), QUICK, policy=SourcePolicy(hosts=("127.0.0.1",)))
        seen = CollectingInlet()
        source.start(seen)
        seen.wait(lambda seen=seen: any(status.retry_at for status in seen.statuses))  # type: ignore[misc]  # this round's
        closed(source)
        assert not seen.frames


def test_the_api_cannot_be_led_to_loopback(camera: WebCamera, inlet: CollectingInlet) -> None:
    source = NetworkSource(camera.url("video.mjpg"), QUICK, policy=SourcePolicy())
    source.start(inlet)
    status = inlet.wait_state(SourceState.RETRYING)
    closed(source)
    assert "API_PRIVATE" in status.message
    assert not camera.asked


def test_a_file_plays_at_its_pace_and_round_and_round(folder: Path, inlet: CollectingInlet) -> None:
    source = NetworkSource(f"file:{folder / 'film.mp4'}", QUICK)
    source.start(inlet)
    inlet.wait(lambda: len(inlet.frames) >= 85)
    closed(source)
    assert inlet.arrivals[74] - inlet.arrivals[0] > 2.8
    assert inlet.numbers[73:77] == [73, 74, 0, 1]
    assert inlet.states == [SourceState.CONNECTING, SourceState.LIVE]
    ages = np.array(inlet.arrivals) - [frame.captured_at for frame in inlet.frames]
    assert ages.min() >= 0.0
    beeps, flashes = np.array(inlet.beeps()), inlet.flashes()
    assert np.abs(beeps[np.abs(beeps - flashes[1]).argmin()] - flashes[1]) < 0.005


def test_a_file_that_is_not_looped_ends(folder: Path, inlet: CollectingInlet) -> None:
    source = NetworkSource(str(folder / "film.mp4"), NetworkSettings(loop=False))
    source.start(inlet)
    inlet.wait_state(SourceState.ENDED)
    assert inlet.numbers == list(range(75))
    closed(source)


def test_a_clock_that_starts_anew_is_mended(folder: Path, inlet: CollectingInlet) -> None:
    part = numbered_film(folder / "part.ts", frames=30, width=320, height=180)
    joined = folder / "joined.ts"
    joined.write_bytes(part.read_bytes() * 2)
    source = NetworkSource(str(joined), NetworkSettings(loop=False))
    source.start(inlet)
    inlet.wait_state(SourceState.ENDED)
    closed(source)
    assert inlet.mends["timestamp_jump"] == 1
    assert inlet.numbers == [*range(30), *range(30)]
    steps = np.diff([frame.captured_at for frame in inlet.frames])
    assert np.median(steps) == pytest.approx(0.04, abs=0.002)
    assert steps.max() < 0.2
    sound = np.diff([packet.captured_at for packet in inlet.packets])
    assert sound.min() > 0
    assert sound.max() < 0.2


@pytest.mark.parametrize(
    ("name", "cause"), [("none.mp4", Cause.NOT_FOUND), ("text.mp4", Cause.OTHER), ("/dev/video97", Cause.DEVICE)]
)
def test_what_cannot_be_played_is_said(folder: Path, inlet: CollectingInlet, name: str, cause: Cause) -> None:
    (folder / "text.mp4").write_text("no film\n" * 100)
    source = NetworkSource(name if name.startswith("/") else str(folder / name), QUICK)
    source.start(inlet)
    inlet.wait(lambda: any(status.retry_at for status in inlet.statuses))
    closed(source)
    assert inlet.statuses[1].cause is cause
