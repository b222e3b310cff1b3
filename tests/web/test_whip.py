"""Publishers: real peers against the real server, and WHIP's statuses by bare requests (RFC 9725)."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Coroutine
from fractions import Fraction
from itertools import pairwise
from typing import Any

import aiohttp
import av
import numpy as np
import pytest
from aiortc import AudioStreamTrack, RTCConfiguration, RTCPeerConnection, VideoStreamTrack

from tests.helpers.rtc import WhipClient, serving, until
from tests.helpers.studio import DemoPublishing, DemoStudio, number_of, numbered

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
RATE = 30


class Numbers(VideoStreamTrack):
    """Numbered pictures; `shown` remembers when each one was made."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[float] = []

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        frame = av.VideoFrame.from_ndarray(numbered(len(self.shown), width=320, height=180), format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        self.shown.append(time.monotonic())
        return frame


class Tone(AudioStreamTrack):
    """A tone in mono, 20 ms at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._sent = 0
        self._began = 0.0

    async def recv(self) -> av.AudioFrame:
        self._began = self._began or time.monotonic()
        await asyncio.sleep(max(0.0, self._began + self._sent / 48000 - time.monotonic()))
        wave = 8000 * np.sin(2 * math.pi * 1000 * (self._sent + np.arange(960)) / 48000)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], format="s16", layout="mono")
        frame.pts, frame.sample_rate, frame.time_base = self._sent, 48000, Fraction(1, 48000)
        self._sent += 960
        return frame


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


async def an_offer(*, direction: str = "sendonly", videos: int = 1, channel: bool = False) -> str:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        connection.addTransceiver("audio", direction=direction)
        for _ in range(videos):
            connection.addTransceiver("video", direction=direction)
        if channel:
            connection.createDataChannel("extra")
        await connection.setLocalDescription(await connection.createOffer())
        return str(connection.localDescription.sdp)
    finally:
        await connection.close()


def publishing(studio: DemoStudio, name: str) -> DemoPublishing:
    found = studio.named[name].publishing
    assert found is not None
    return found


@pytest.mark.parametrize("codec", ["video/H264", "video/VP8"])
def test_pictures_and_sound_arrive_in_order_on_one_clock(codec: str) -> None:
    async def work() -> None:
        studio = DemoStudio("demo")
        async with serving(studio) as url, WhipClient(f"{url}/whip/cam", Numbers(), Tone(), codec=codec):
            got = publishing(studio, "cam")
            await until(lambda: len(got.pictures) > 60 and len(got.sounds) > 60)
            numbers = [number_of(picture) for picture, _, _ in got.pictures]
            assert numbers[0] <= 1
            assert all(after - before == 1 for before, after in pairwise(numbers))
            steps = [after[1] - before[1] for before, after in pairwise(got.pictures)]
            assert all(step == pytest.approx(1 / RATE, abs=0.001) for step in steps)
            steps = [after[2] - before[2] for before, after in pairwise(got.sounds)]
            seams = [step for step in steps if step != pytest.approx(0.02, abs=0.001)]
            assert len(seams) <= 3  # one for the first report, and few after it
            assert {samples for _, samples, _, _ in got.sounds} == {960}
            assert got.losses == {}
            assert all(seconds > 0 for seconds in got.decode_seconds)
            decoder = av.CodecContext.create("libopus", "r")
            heard = [frame for data, *_ in got.sounds for frame in decoder.decode(av.Packet(data))]
            loud = np.concatenate([frame.to_ndarray().ravel() for frame in heard[20:40]])
            assert np.abs(loud.astype(float)).max() > 0.1 * (32768 if loud.dtype == np.int16 else 1.0)

    run(work())


def test_a_picture_is_handed_on_without_waiting_for_the_next() -> None:
    """aiortc gives a picture when the first packet of the next one comes, which costs a picture's time."""

    async def work() -> None:
        studio = DemoStudio("demo")
        track = Numbers()
        async with serving(studio) as url, WhipClient(f"{url}/whip/cam", track):
            got = publishing(studio, "cam")
            await until(lambda: len(got.pictures) > 60)
            ages = [arrived - track.shown[number_of(picture)] for picture, _, arrived in got.pictures]
            assert sorted(ages)[len(ages) // 4] < 0.8 / RATE

    run(work())


def test_decoding_begins_again_with_a_key_frame_after_a_loss() -> None:
    async def work() -> None:
        studio = DemoStudio("demo")
        async with serving(studio) as url, WhipClient(f"{url}/whip/cam", Numbers()) as publisher:
            got = publishing(studio, "cam")
            await until(lambda: len(got.pictures) > 20)
            (transport,) = {sender.transport for sender in publisher.connection.getSenders()}
            send, sender = transport._send_rtp, publisher.connection.getSenders()[0]
            gone: list[int] = []

            async def lose(data: bytes) -> None:
                if data[1] in range(192, 224) or len(gone) >= 3:
                    await send(data)
                else:
                    gone.append(data[1])

            async def forget(sequence_number: int) -> None:
                """Retransmits nothing."""

            transport._send_rtp = lose
            sender._retransmit = forget
            await until(lambda: got.losses.get("picture", 0) >= 3)
            seen = len(got.pictures)
            await until(lambda: len(got.pictures) > seen + 30)
            numbers = [number_of(picture) for picture, _, _ in got.pictures][-20:]
            assert all(after - before == 1 for before, after in pairwise(numbers))
            assert "undecodable" not in got.losses

    run(work())


def test_a_retransmitted_packet_loses_nothing() -> None:
    async def work() -> None:
        studio = DemoStudio("demo")
        async with serving(studio) as url, WhipClient(f"{url}/whip/cam", Numbers()) as publisher:
            got = publishing(studio, "cam")
            await until(lambda: len(got.pictures) > 20)
            (transport,) = {sender.transport for sender in publisher.connection.getSenders()}
            send = transport._send_rtp
            gone: list[int] = []

            async def lose(data: bytes) -> None:
                if data[1] in range(192, 224) or gone:
                    await send(data)
                else:
                    gone.append(data[1])

            transport._send_rtp = lose
            await until(lambda: bool(gone))
            await until(lambda: len(got.pictures) > 60)
            numbers = [number_of(picture) for picture, _, _ in got.pictures]
            assert all(after - before == 1 for before, after in pairwise(numbers))
            assert got.losses == {}

    run(work())


def test_a_publisher_is_told_that_it_may_send_enough() -> None:
    async def work() -> None:
        studio = DemoStudio("demo")
        async with serving(studio) as url, WhipClient(f"{url}/whip/cam", Numbers()) as publisher:
            sender = publisher.connection.getSenders()[0]
            encoder = "_RTCRtpSender__encoder"
            await until(lambda: getattr(sender, encoder) is not None)
            await until(lambda: getattr(sender, encoder).target_bitrate >= 2_500_000)

    run(work())


def test_publishers_that_are_gone_leave_their_name_free() -> None:
    async def work() -> None:
        studio = DemoStudio("demo")
        async with serving(studio, idle_seconds=2.0) as url:
            async with WhipClient(f"{url}/whip/cam", Numbers()) as first:
                got = publishing(studio, "cam")
                await until(lambda: len(got.pictures) > 5)
                async with first.http.post(first.endpoint, data=await an_offer(), headers=SDP) as response:
                    assert response.status == 409
                first.goodbye = False
                for transport in {sender.transport.transport for sender in first.connection.getSenders()}:
                    for protocol in transport._connection._protocols:
                        protocol.transport.abort()
                await until(lambda: got.closed)
            async with WhipClient(f"{url}/whip/cam", Numbers()):
                again = publishing(studio, "cam")
                await until(lambda: len(again.pictures) > 5)
            assert again.closed

    run(work())


def test_the_endpoint_answers_as_the_rfc_says() -> None:
    async def work() -> None:
        studio = DemoStudio("demo", max_streams=2)
        async with serving(studio, idle_seconds=30.0) as url, aiohttp.ClientSession() as http:
            endpoint = f"{url}/whip/cam"
            offer = await an_offer()
            async with http.post(endpoint, data=offer, headers=SDP) as response:
                assert response.status == 201
                answer = await response.text()
                session, tag = f"{url}{response.headers['Location']}", response.headers["ETag"]
                assert response.headers["Accept-Patch"] == "application/trickle-ice-sdpfrag"
                assert "Link" not in response.headers
            assert answer.count("a=recvonly") == answer.count("a=rtcp-mux-only") == 2
            coded = [line.split()[1] for line in answer.split("m=video")[1].splitlines() if "rtpmap" in line]
            assert set(coded) == {"H264/90000", "VP8/90000", "rtx/90000"}
            fragment = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=end-of-candidates\r\n"
            for tags, status in (({}, 428), ({"If-Match": '"x"'}, 412), ({"If-Match": tag}, 204)):
                async with http.patch(session, data=fragment, headers={**FRAGMENT, **tags}) as response:
                    assert response.status == status
            for name in ("GET", "HEAD"):
                async with http.request(name, endpoint) as response:
                    assert response.status == 204
            async with http.put(endpoint) as response:
                assert response.status == 405
                assert response.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
            for address, status in ((session.replace("whip", "whep"), 404), (session + "x", 404), (session, 200)):
                async with http.delete(address) as response:
                    assert response.status == status
            for status, body in (
                (406, await an_offer(videos=2)),
                (406, await an_offer(channel=True)),
                (422, await an_offer(direction="recvonly")),
                (
                    406,
                    offer.replace("opus/48000/2", "speex/16000")
                    .replace("PCMU", "X")
                    .replace("PCMA", "Y")
                    .replace("G722", "Z"),
                ),
            ):
                async with http.post(endpoint, data=body, headers=SDP) as response:
                    assert response.status == status, await response.text()
            async with http.post(f"{url}/whip/demo", data=offer, headers=SDP) as response:
                assert response.status == 409
            async with http.post(f"{url}/whip/third", data=offer, headers=SDP) as response:
                assert response.status == 503
                assert "Retry-After" in response.headers
            async with http.post(f"{url}/whip/%20", data=offer, headers=SDP) as response:
                assert response.status == 400

    run(work())


def test_with_a_token_everything_asks_for_it() -> None:
    async def work() -> None:
        studio = DemoStudio("demo")
        token = "a-token-that-is-long-enough"
        async with serving(studio, token=token) as url, aiohttp.ClientSession() as http:
            async with http.post(f"{url}/whip/cam", data=await an_offer(), headers=SDP) as response:
                assert response.status == 401
                assert response.headers["WWW-Authenticate"].startswith("Bearer")
            shown = {"Authorization": f"Bearer {token}"}
            async with http.post(f"{url}/whip/cam", data=await an_offer(), headers={**SDP, **shown}) as response:
                assert response.status == 201
                session = f"{url}{response.headers['Location']}"
            async with http.delete(session) as response:
                assert response.status == 401
            async with http.delete(session, headers=shown) as response:
                assert response.status == 200

    run(work())
