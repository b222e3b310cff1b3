"""The live source against a real RTSP server."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.frame import Frame
from streamer.live.ports import Cause, LiveSource, SourceState
from streamer.media.network.address import parse
from streamer.media.network.opening import Knowledge, open_media
from streamer.media.network.policy import SourcePolicy
from streamer.media.network.settings import NetworkSettings
from streamer.media.network.source import NetworkSource
from tests.helpers.inlet import CollectingInlet
from tests.helpers.rtsp import USER, WORD, RtspServer, free_port, numbered_film

QUICK = NetworkSettings(
    open_timeout_seconds=3.0,
    read_timeout_seconds=3.0,
    stall_seconds=0.5,
    retry_first_seconds=0.3,
    retry_max_seconds=0.6,
)
HEVC = {"preset": "ultrafast", "tune": "zerolatency", "x265-params": "keyint=12:log-level=none"}
REORDERED = {"preset": "veryfast", "bf": "2", "b-adapt": "0", "g": "12"}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path | list[Path]]:
    folder = tmp_path_factory.mktemp("films")
    small = partial(numbered_film, width=320, height=180)
    aac = small(folder / "aac.mp4", frames=150)
    return {
        "aac": aac,
        "private": aac,
        "pcmu": small(folder / "pcmu.mov", frames=150, sound="pcm_mulaw", sound_rate=8000),
        "mjpeg": small(folder / "mjpeg.mkv", frames=75, codec="mjpeg", sound=None),
        "opus": small(folder / "opus.mkv", frames=150, sound="libopus"),
        "resize": [
            numbered_film(folder / "small.mp4", frames=30, width=160, height=90),
            small(folder / "large.mp4", frames=30),
        ],
        "ordered": small(folder / "ordered.mp4", frames=100, options=REORDERED),
        "hevc": small(folder / "hevc.mp4", frames=100, codec="libx265", options=HEVC),
        "mpeg4": small(folder / "mpeg4.mp4", frames=100, codec="mpeg4", sound=None, options={"g": "12"}),
    }


@pytest.fixture(scope="module")
def server(films: dict[str, Path | list[Path]]) -> Iterator[RtspServer]:
    with RtspServer(films) as running:
        yield running


@pytest.fixture
def inlet() -> CollectingInlet:
    return CollectingInlet()


def closed(source: NetworkSource) -> float:
    """Closes a source as the event loop does; the seconds that took."""
    started = time.monotonic()
    asyncio.run(source.aclose())
    return time.monotonic() - started


@pytest.mark.parametrize("name", ["aac", "pcmu", "mjpeg", "opus", "ordered", "hevc", "mpeg4"])
def test_it_plays_every_frame_in_order_at_its_rate(server: RtspServer, inlet: CollectingInlet, name: str) -> None:
    source: LiveSource = NetworkSource(server.url(name), QUICK)
    source.start(inlet)
    inlet.wait_frames(50)
    asyncio.run(source.aclose())
    numbers = [number for number in inlet.numbers if number is not None]
    assert len(numbers) == len(inlet.frames)
    assert np.diff(numbers).tolist() == [1] * (len(numbers) - 1)
    assert [frame.seq for frame in inlet.frames] == list(range(len(inlet.frames)))
    assert np.diff([frame.pts for frame in inlet.frames]).min() > 0
    steps = np.diff([frame.captured_at for frame in inlet.frames])
    assert np.median(steps) == pytest.approx(0.04, abs=0.002)
    assert source.has_sound == (name not in ("mjpeg", "mpeg4"))
    assert inlet.states[:2] == [SourceState.CONNECTING, SourceState.LIVE]
    assert not inlet.drops
    assert not inlet.mends - Counter({"timestamp_fell": 1})


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_picture_is_shown_before_the_next_one_is_sent(tmp_path: Path, inlet: CollectingInlet, codec: str) -> None:
    options = HEVC if codec == "libx265" else None
    film = numbered_film(tmp_path / "film.mp4", frames=100, rate=5, codec=codec, sound=None, options=options, grain=40)
    sent: dict[int, float] = {}
    with RtspServer({"slow": film}, on_sent=sent.__setitem__) as server:
        source = NetworkSource(server.url("slow"), QUICK)
        source.start(inlet)
        inlet.wait_frames(50, seconds=30.0)
        closed(source)
    numbers = [number for number in inlet.numbers if number is not None]
    assert np.diff(numbers).tolist() == [1] * (len(inlet.frames) - 1), (inlet.drops, inlet.mends)
    sent_at = np.array([sent[number] for number in numbers])
    assert np.median(inlet.arrivals[35:] - sent_at[35:]) < 0.1
    # Those that wait for the next to begin are as old as they are.
    assert np.median([frame.captured_at for frame in inlet.frames] - sent_at) < 0.1
    assert not inlet.mends


def test_a_codec_that_needs_parsers_costs_one_more_connection_once(server: RtspServer) -> None:
    knowledge = Knowledge()
    address = parse(server.url("mpeg4"))
    for _ in range(2):
        media = open_media(address, QUICK, knowledge=knowledge)
        assert knowledge.needs_parsers
        assert not media.is_split
        media.close()
    media = open_media(parse(server.url("pcmu")), QUICK)
    assert media.is_split
    media.close()


def test_udp_plays_as_well(server: RtspServer, inlet: CollectingInlet) -> None:
    source = NetworkSource(server.url("aac"), NetworkSettings(transport="udp"))
    source.start(inlet)
    inlet.wait_frames(25)
    closed(source)


@pytest.mark.parametrize(("name", "tolerance"), [("aac", 0.005), ("pcmu", 0.005), ("opus", 0.008)])
def test_sound_is_at_the_picture_that_it_belongs_to(
    server: RtspServer, inlet: CollectingInlet, name: str, tolerance: float
) -> None:
    source = NetworkSource(server.url(name), QUICK)
    source.start(inlet)
    inlet.wait(lambda: len(inlet.flashes()) >= 3 and inlet.packets[-1].captured_at > inlet.flashes()[2] + 0.2)
    closed(source)
    beeps = np.array(inlet.beeps())
    # Before the server's first report of both clocks, within its first second, their relation isn't known.
    apart = [float(beeps[np.abs(beeps - flash).argmin()] - flash) for flash in inlet.flashes()[1:3]]
    assert np.abs(apart).max() < tolerance


def test_opus_passes_untouched_and_all_else_becomes_opus(server: RtspServer) -> None:
    lengths = {}
    for name in ("opus", "pcmu"):
        inlet = CollectingInlet()
        source = NetworkSource(server.url(name), QUICK)
        source.start(inlet)
        inlet.wait(lambda inlet=inlet: len(inlet.packets) > 20)  # type: ignore[misc]  # bound for this round
        closed(source)
        lengths[name] = {packet.samples for packet in inlet.packets}
    assert lengths == {"opus": {960}, "pcmu": {960}}


def test_a_new_size_is_shown_at_that_size(server: RtspServer, inlet: CollectingInlet) -> None:
    source = NetworkSource(server.url("resize"), QUICK)
    source.start(inlet)
    inlet.wait(lambda: {(frame.width, frame.height) for frame in inlet.frames} == {(160, 90), (320, 180)})
    inlet.wait_frames(5)
    closed(source)
    assert None not in inlet.numbers[-5:]
    assert inlet.states == [SourceState.CONNECTING, SourceState.LIVE]


def test_a_server_that_dies_is_waited_for(films: dict[str, Path | list[Path]], inlet: CollectingInlet) -> None:
    with RtspServer({"aac": films["aac"]}) as server:
        source = NetworkSource(server.url("aac"), QUICK)
        source.start(inlet)
        inlet.wait_state(SourceState.LIVE)
        killed = time.monotonic()
        server.kill()
        lost = inlet.wait_state(SourceState.RETRYING)
        assert lost.cause in (Cause.CLOSED, Cause.NETWORK, Cause.REFUSED)
        assert lost.retry_at is not None
        inlet.wait(lambda: any(status.cause is Cause.REFUSED for status in inlet.statuses))
        before = len(inlet.frames)
        time.sleep(max(0.0, killed + 1.0 - time.monotonic()))
        server.start()
        inlet.wait_state(SourceState.LIVE)
        inlet.wait_frames(5)
        assert closed(source) < 1.0
    assert [frame.seq for frame in inlet.frames] == list(range(len(inlet.frames)))
    pts = np.array([float(frame.pts * frame.time_base) for frame in inlet.frames])
    assert np.diff(pts).min() > 0
    # The time that it was gone is a gap, not a seam.
    assert pts[before] - pts[before - 1] > 0.7


@pytest.mark.parametrize(
    ("name", "user", "word", "cause"),
    [
        ("elsewhere", "", "", Cause.NOT_FOUND),
        ("private", "", "", Cause.UNAUTHORISED),
        ("private", USER, "wrong-word", Cause.UNAUTHORISED),
    ],
)
def test_what_only_a_person_can_put_right_is_said(
    server: RtspServer,
    inlet: CollectingInlet,
    caplog: pytest.LogCaptureFixture,
    name: str,
    user: str,
    word: str,
    cause: Cause,
) -> None:
    caplog.set_level(logging.DEBUG)
    source = NetworkSource(server.url(name, user=user, word=word), QUICK)
    source.start(inlet)
    status = inlet.wait_state(SourceState.FAILED)
    inlet.wait(lambda: inlet.states.count(SourceState.FAILED) >= 2)
    assert closed(source) < 1.0
    assert status.cause is cause
    said = f"{inlet.statuses} {caplog.text} {source.address} {source!r}"
    assert "wrong-word" not in said
    assert f"127.0.0.1:{server.port}/{name}" in status.message


def test_the_right_password_lets_in(
    server: RtspServer, inlet: CollectingInlet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source = NetworkSource(server.url("private", user=USER, word=WORD), QUICK)
    source.start(inlet)
    inlet.wait_frames(5)
    closed(source)
    assert WORD not in f"{inlet.statuses} {caplog.text} {source.address}"


def test_a_refused_connection_is_tried_again_and_again(inlet: CollectingInlet) -> None:
    source = NetworkSource(f"rtsp://127.0.0.1:{free_port()}/cam", QUICK)
    source.start(inlet)
    inlet.wait(lambda: inlet.states.count(SourceState.RETRYING) >= 3)
    assert closed(source) < 1.0
    assert {status.cause for status in inlet.statuses if status.state is SourceState.RETRYING} == {Cause.REFUSED}


def test_a_name_that_nobody_has_is_a_matter_of_the_network(inlet: CollectingInlet) -> None:
    source = NetworkSource("rtsp://user:hidden-word@no-such-camera.invalid/cam", QUICK)
    source.start(inlet)
    status = inlet.wait_state(SourceState.RETRYING)
    closed(source)
    assert status.cause is Cause.NETWORK
    assert "hidden-word" not in str(inlet.statuses)


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        for connected in held:
            connected.close()


def test_a_server_that_says_nothing_times_out(silent: int, inlet: CollectingInlet) -> None:
    settings = NetworkSettings(open_timeout_seconds=0.5, read_timeout_seconds=0.5)
    source = NetworkSource(f"rtsp://127.0.0.1:{silent}/cam", settings)
    source.start(inlet)
    status = inlet.wait_state(SourceState.RETRYING, seconds=6.0)
    closed(source)
    assert status.cause is Cause.TIMED_OUT


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "http"])
def test_closing_never_waits_for_a_connection_that_hangs(silent: int, inlet: CollectingInlet, scheme: str) -> None:
    settings = NetworkSettings(open_timeout_seconds=1.5, read_timeout_seconds=1.5)
    before = threading.enumerate()
    source = NetworkSource(f"{scheme}://127.0.0.1:{silent}/live/cam", settings)
    source.start(inlet)
    time.sleep(0.3)
    assert closed(source) < 1.0
    said = len(inlet.statuses)
    readers = [thread for thread in threading.enumerate() if thread not in before and thread.name == "source-read"]
    assert len(readers) <= 1
    for reader in readers:
        reader.join(10.0)
        assert not reader.is_alive()
    assert len(inlet.statuses) == said


def test_a_process_ends_although_a_connection_hangs(silent: int) -> None:
    program = f"""
import asyncio, time
from streamer.aio import end_process
from streamer.media.network.settings import NetworkSettings
from streamer.media.network.source import NetworkSource
from tests.helpers.inlet import CollectingInlet
source = NetworkSource("rtsp://127.0.0.1:{silent}/cam", NetworkSettings(open_timeout_seconds=60.0))
source.start(CollectingInlet())
time.sleep(0.3)
asyncio.run(source.aclose())
print("closed", flush=True)
end_process(5)
"""
    words = [sys.executable, "-c", program]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"closed\n"
        assert process.wait(20.0) == 5


def test_who_is_too_slow_goes_on_at_a_later_key_frame(server: RtspServer) -> None:
    class SlowInlet(CollectingInlet):
        def picture(self, frame: Frame, *, decode_seconds: float) -> None:
            super().picture(frame, decode_seconds=decode_seconds)
            time.sleep(0.1)

    inlet = SlowInlet()
    source = NetworkSource(server.url("aac"), NetworkSettings(catch_up_seconds=0.5))
    source.start(inlet)
    inlet.wait_frames(50, seconds=60.0)
    closed(source)
    assert inlet.drops["catching_up"] > 20
    ages = np.array(inlet.arrivals) - [frame.captured_at for frame in inlet.frames]
    # Unchecked, the last of fifty frames would be 3 s old.
    assert ages[25:].max() < 2.5
    assert inlet.numbers.count(None) == 0


def test_closing_while_it_waits_for_the_next_try(inlet: CollectingInlet) -> None:
    settings = NetworkSettings(retry_first_seconds=30.0, retry_jitter=0.0)
    source = NetworkSource(f"rtsp://127.0.0.1:{free_port()}/cam", settings)
    source.start(inlet)
    status = inlet.wait_state(SourceState.RETRYING)
    assert status.retry_at is not None
    assert status.retry_at - time.monotonic() > 20.0
    assert closed(source) < 1.0
    assert closed(source) < 1.0


def test_closing_before_it_was_started_and_starting_twice(inlet: CollectingInlet) -> None:
    source = NetworkSource(f"rtsp://127.0.0.1:{free_port()}/cam")
    assert closed(source) < 1.0
    source.start(inlet)
    with pytest.raises(RuntimeError, match="once"):
        source.start(inlet)
    closed(source)
    assert not inlet.frames


def test_a_server_that_stops_sending_stalls_and_is_left(
    films: dict[str, Path | list[Path]], inlet: CollectingInlet
) -> None:
    with RtspServer({"aac": films["aac"]}) as server:
        settings = NetworkSettings(read_timeout_seconds=1.5, stall_seconds=0.4)
        source = NetworkSource(server.url("aac"), settings)
        source.start(inlet)
        inlet.wait_state(SourceState.LIVE)
        server.freeze()
        inlet.wait_state(SourceState.STALLED)
        assert inlet.wait_state(SourceState.RETRYING).cause is Cause.TIMED_OUT
        assert closed(source) < 1.0


def test_closing_while_it_is_stalled(films: dict[str, Path | list[Path]], inlet: CollectingInlet) -> None:
    with RtspServer({"aac": films["aac"]}) as server:
        source = NetworkSource(server.url("aac"), QUICK)
        source.start(inlet)
        inlet.wait_state(SourceState.LIVE)
        server.freeze()
        inlet.wait_state(SourceState.STALLED)
        assert closed(source) < 1.0


def test_a_source_of_the_api_is_opened_by_the_address_that_was_looked_at(
    server: RtspServer, inlet: CollectingInlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg, which asks the system itself, would find no such name."""
    look_up = socket.getaddrinfo

    def of_camera(host: str, *words: Any, **more: Any) -> Any:
        return look_up("127.0.0.1" if host == "camera.invalid" else host, *words, **more)

    monkeypatch.setattr(socket, "getaddrinfo", of_camera)
    address = parse(server.url("private", user=USER, word=WORD).replace("127.0.0.1", "camera.invalid"))
    source = NetworkSource(address, QUICK, policy=SourcePolicy(hosts=("camera.invalid",), allow_private=True))
    source.start(inlet)
    inlet.wait_frames(20)
    closed(source)
    assert "camera.invalid" in source.address
