"""Viewers: real peers against the real server, and WHEP's statuses by bare requests."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from tests.helpers.rtc import WhepClient, serving, until
from tests.helpers.studio import TONE_HZ, DemoStudio, number_of

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


async def an_offer(*, direction: str = "recvonly", codec: str = "", videos: int = 1, audio: bool = True) -> str:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        if audio:
            connection.addTransceiver("audio", direction=direction)
        for _ in range(videos):
            transceiver = connection.addTransceiver("video", direction=direction)
            codecs = transceiver.sender.getCapabilities("video").codecs
            transceiver.setCodecPreferences([each for each in codecs if codec in each.mimeType] if codec else [])
        await connection.setLocalDescription(await connection.createOffer())
        return str(connection.localDescription.sdp)
    finally:
        await connection.close()


def test_a_viewer_sees_every_picture_in_order_and_hears_the_tone() -> None:
    async def work() -> None:
        studio = DemoStudio("demo")
        async with serving(studio) as url, WhepClient(f"{url}/whep/demo") as viewer:
            await until(lambda: len(viewer.pictures) > 40 and len(viewer.sounds) > 60)
            numbers = [number_of(picture) for picture in viewer.pictures]
            assert all(after - before == 1 for before, after in pairwise(numbers[5:]))
            steps = [after.pts - before.pts for before, after in pairwise(viewer.pictures[5:])]
            assert set(steps) <= {3599, 3600, 3601}
            heard = np.concatenate([sound.to_ndarray()[0, ::2] for sound in viewer.sounds[20:60]]).astype(float)
            loudest = np.argmax(np.abs(np.fft.rfft(heard * np.hanning(len(heard))))) * 48000 / len(heard)
            assert loudest == pytest.approx(TONE_HZ, abs=5)

    run(work())


def test_sender_reports_bring_sound_and_picture_together() -> None:
    """Each report ties the NTP clock to RTP time; by both, what was captured together falls together."""

    async def work() -> None:
        studio = DemoStudio("demo")
        async with serving(studio) as url, WhepClient(f"{url}/whep/demo", channel=True) as viewer:
            await until(lambda: len(viewer.reports) == 2 and any("picture" in each for each in viewer.messages))
            video = int(viewer.answer.split("m=video")[1].split("a=ssrc:")[1].split()[0])
            told = [message for message in map(json.loads, viewer.messages) if message["type"] == "picture"]
            ntp, rtp = viewer.reports[video][-1]
            ahead = (rtp - told[-1]["rtp"] + 2**31) % 2**32 - 2**31
            # The wall clock and the monotonic one differ by a constant, the same for every picture and for sound.
            wall = ntp / 2**32 - (told[-1]["captured"] / 1000 + ahead / 90000)
            audio = next(ssrc for ssrc in viewer.reports if ssrc != video)
            (sound_ntp, sound_rtp), (later_ntp, later_rtp) = viewer.reports[audio][0], viewer.reports[audio][-1]
            assert (later_rtp - sound_rtp) / 48000 == pytest.approx((later_ntp - sound_ntp) / 2**32, abs=0.002)
            assert wall == pytest.approx(time.time() - time.monotonic() + 2208988800, abs=0.01)

    run(work())


def test_sound_begins_when_pictures_have_begun() -> None:
    """What a browser gets before its loudspeakers are open piles up there."""

    async def work() -> None:
        studio = DemoStudio("demo")
        async with serving(studio) as url, WhepClient(f"{url}/whep/demo") as viewer:
            await until(lambda: bool(viewer.sounds))
            assert len(viewer.pictures) > 10

    run(work())


def test_the_page_is_told_of_pictures_and_chooses_what_it_sees() -> None:
    async def work() -> None:
        studio = DemoStudio("demo")
        async with serving(studio) as url, WhepClient(f"{url}/whep/demo", channel=True) as viewer:
            await until(lambda: len(viewer.messages) > 10)
            assert viewer.channel is not None
            for message in (
                '{"type":"choose","rendition":"compare"}',
                '{"type":"ping","id":7,"client":12.5}',
                '{"type":"shown","rtp":1,"glass_ms":80}',
                '{"type":"shown","rtp":1,"glass_ms":NaN}',
                '{"type":"shown","rtp":1,"glass_ms":-3}',
                '{"type":"shown","rtp":1,"glass_ms":' + "9" * 400 + "}",
                "[" * 4000,
                "no JSON",
                '"a text"',
            ):
                viewer.channel.send(message)
            await until(lambda: any(picture.height == 540 for picture in viewer.pictures))
            told = [json.loads(message) for message in viewer.messages]
            pong = next(message for message in told if message["type"] == "pong")
            assert (pong["id"], pong["client"]) == (7, 12.5)
            assert pong["server_received"] <= pong["server_sent"]
            assert any(message["type"] == "status" and message["status"]["name"] == "demo" for message in told)
            pictures = [message for message in told if message["type"] == "picture"]
            assert [message["facts"]["seq"] for message in pictures] == sorted({m["facts"]["seq"] for m in pictures})
            assert pictures[-1]["layout"]["original"] == [0, 360, 320, 180]
            (viewing,) = studio.named["demo"].viewings
            assert viewing.glass == [0.08]

    run(work())


def test_a_viewers_wish_for_a_key_frame_reaches_the_one_encoder() -> None:
    async def work() -> None:
        studio = DemoStudio("demo")
        async with serving(studio) as url, WhepClient(f"{url}/whep/demo", audio=False) as viewer:
            await until(lambda: len(viewer.pictures) > 5)
            (viewing,) = studio.named["demo"].viewings
            before = viewing.asked_for_key
            (receiver,) = viewer.connection.getReceivers()
            await receiver._send_rtcp_pli(int(viewer.answer.split("a=ssrc:")[1].split()[0]))
            await until(lambda: viewing.asked_for_key > before)

    run(work())


def test_a_viewer_that_is_gone_without_goodbye_is_noticed() -> None:
    async def work() -> None:
        studio = DemoStudio("demo")
        async with serving(studio, idle_seconds=2.0) as url, WhepClient(f"{url}/whep/demo") as viewer:
            await until(lambda: len(viewer.pictures) > 5)
            viewer.goodbye = False
            for transport in {receiver.transport.transport for receiver in viewer.connection.getReceivers()}:
                for protocol in transport._connection._protocols:
                    protocol.transport.abort()  # as a machine that loses its power
            await until(lambda: not studio.named["demo"].viewings)

    run(work())


def test_a_viewer_that_never_connects_and_one_that_hangs_up_are_let_go() -> None:
    async def work() -> None:
        studio = DemoStudio("demo")
        async with serving(studio, idle_seconds=1.0) as url, aiohttp.ClientSession() as http:
            async with http.post(f"{url}/whep/demo", data=await an_offer(), headers=SDP) as response:
                assert response.status == 201
            async with WhepClient(f"{url}/whep/demo") as viewer:
                await until(lambda: len(viewer.pictures) > 2)
                viewer.goodbye = False
            await until(lambda: not studio.named["demo"].viewings)

    run(work())


def test_a_removed_stream_ends_its_viewers() -> None:
    async def work() -> None:
        studio = DemoStudio("demo")
        async with serving(studio) as url, WhepClient(f"{url}/whep/demo") as viewer:
            await until(lambda: len(viewer.pictures) > 2)
            await studio.remove("demo")
            await until(lambda: viewer.connection.connectionState == "closed")
            viewer.goodbye = False
            for status in (200, 404):  # its goodbye is late, and then it was said
                async with viewer.http.delete(viewer.session) as response:
                    assert response.status == status

    run(work())


def test_one_more_than_the_limit_is_told_to_come_back() -> None:
    async def work() -> None:
        studio = DemoStudio("demo", max_viewers=1)
        async with (
            serving(studio) as url,
            WhepClient(f"{url}/whep/demo") as viewer,
            viewer.http.post(f"{url}/whep/demo", data=await an_offer(), headers=SDP) as response,
        ):
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
            assert response.content_type == "application/problem+json"

    run(work())


def test_the_endpoint_answers_as_the_draft_says() -> None:
    async def work() -> None:
        studio = DemoStudio("demo")
        servers = {"stun": "stun:127.0.0.1:9", "turn": "turn:127.0.0.1:9", "turn_user": "u", "turn_password": 'p"w'}
        async with serving(studio, gather_seconds=0.3, **servers) as url, aiohttp.ClientSession() as http:
            endpoint = f"{url}/whep/demo"
            async with http.post(endpoint, data=await an_offer(), headers=SDP) as response:
                assert response.status == 201
                assert response.content_type == "application/sdp"
                assert response.headers["ETag"].startswith('"')
                assert response.headers["Accept-Patch"] == "application/trickle-ice-sdpfrag"
                session = f"{url}{response.headers['Location']}"
                assert len(session.rsplit("/", 1)[1]) >= 32
                links = response.headers.getall("Link")
                answer = await response.text()
            assert links == [
                '<stun:127.0.0.1:9>; rel="ice-server"',
                '<turn:127.0.0.1:9>; rel="ice-server"; username="u"; credential="p\\"w"; credential-type="password"',
            ]
            video = answer.split("m=video")[1]
            assert [line.split()[1] for line in video.splitlines() if "rtpmap" in line] == ["H264/90000", "rtx/90000"]
            assert "packetization-mode=1" in video
            assert "profile-level-id=42e01f" in video
            assert next(line.split()[1] for line in answer.splitlines() if "rtpmap" in line) == "opus/48000/2"
            assert answer.count("a=sendonly") == answer.count("a=rtcp-mux-only") == 2
            # aiortc as the DTLS client would refuse servers with RSA certificates, such as GStreamer's.
            assert answer.count("a=setup:passive") == 2
            async with http.options(endpoint) as response:
                assert response.status == 200
                assert response.headers["Accept-Post"] == "application/sdp"
                assert response.headers.getall("Link") == links
            for method, address in (("GET", endpoint), ("HEAD", endpoint), ("GET", session)):
                async with http.request(method, address) as response:
                    assert response.status == 204
            for method, address, allowed in (
                ("PUT", endpoint, "POST"),
                ("DELETE", endpoint, "POST"),
                ("POST", session, "PATCH"),
            ):
                async with http.request(method, address) as response:
                    assert response.status == 405
                    assert allowed in response.headers["Allow"]
                    assert response.content_type == "application/problem+json"
            async with http.options(session) as response:
                assert response.headers["Accept-Patch"] == "application/trickle-ice-sdpfrag"
            async with http.delete(session, headers={"If-Match": '"not this one"'}) as response:
                assert response.status == 200
            async with http.delete(session) as response:
                assert response.status == 404

    run(work())


def test_candidates_come_later_and_restarts_are_refused() -> None:
    async def work() -> None:
        studio = DemoStudio("demo")
        async with serving(studio) as url, aiohttp.ClientSession() as http:
            offer = await an_offer()
            async with http.post(f"{url}/whep/demo", data=offer, headers=SDP) as response:
                session, tag = f"{url}{response.headers['Location']}", response.headers["ETag"]
            ufrag = offer.split("a=ice-ufrag:")[1].split()[0]
            candidates = (
                "a=candidate:1 1 udp 2122260223 127.0.0.1 61764 typ host\r\n"
                "a=candidate:2 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active\r\n"
                "a=candidate:3 1 udp 2122260223 4f1c2b0e-0000-4000-8000-000000000000.local 61765 typ host\r\n"
                "a=end-of-candidates\r\n"
            )
            known = (
                f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:whatever\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n{candidates}"
            )
            new = f"a=ice-ufrag:other\r\na=ice-pwd:{'x' * 22}\r\n"
            for body, headers, status in (
                (known, {**FRAGMENT, "If-Match": tag}, 204),
                (known, {**FRAGMENT, "If-Match": "*"}, 204),
                (known, FRAGMENT, 204),
                (known, {**FRAGMENT, "If-Match": '"another"'}, 412),
                (known, {**SDP, "If-Match": tag}, 415),
                (new, {**FRAGMENT, "If-Match": "*"}, 422),
                ("", {**FRAGMENT, "If-Match": tag}, 400),
                ("hello", {**FRAGMENT, "If-Match": tag}, 400),
                ("a=mid:0\r\na=candidate:1 1 udp\r\n", {**FRAGMENT, "If-Match": tag}, 400),
            ):
                async with http.patch(session, data=body, headers=headers) as response:
                    assert response.status == status, body
                    assert "ETag" not in response.headers

    run(work())


async def refusals() -> list[tuple[int, str]]:
    good = await an_offer()
    return [
        (400, ""),
        (400, "hello"),
        (400, "v=0\r\n"),
        (400, good.replace("a=ice-ufrag", "a=x-ufrag")),
        (400, good.replace("a=fingerprint", "a=x-fingerprint")),
        (400, good.replace("a=mid:1", "a=mid:0")),
        (400, good.replace("m=video", "m=video x")),
        (400, good.replace("a=rtpmap:97 ", "a=rtpmap:x ")),
        (400, good + "a=candidate:1 1 udp\r\n"),
        (400, good + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" * 20),
        (400, good + "a=x\r\n" * 3000),
        (406, good.replace("a=rtcp-mux", "a=x-mux")),
        (406, await an_offer(codec="VP8")),
        (406, await an_offer(videos=2)),
        (406, await an_offer(videos=0)),
        (406, good.replace("m=audio", "m=text")),
        (413, good + "a=x\r\n" * 20000),
        (422, await an_offer(direction="sendonly")),
        (422, await an_offer(direction="inactive")),
    ]


def test_offers_that_cant_be_served_are_told_why() -> None:
    async def work() -> None:
        studio = DemoStudio("demo")
        async with serving(studio) as url, aiohttp.ClientSession() as http:
            for status, offer in await refusals():
                async with http.post(f"{url}/whep/demo", data=offer, headers=SDP) as response:
                    told = await response.text()
                    assert response.status == status, (offer[-300:], told)
                    assert response.content_type == "application/problem+json"
                    assert len(json.loads(told)["detail"].splitlines()) == 1
            async with http.post(
                f"{url}/whep/demo", data="{}", headers={"Content-Type": "application/json"}
            ) as response:
                assert (response.status, response.headers["Accept-Post"]) == (415, "application/sdp")
            async with http.post(f"{url}/whep/nowhere", data=await an_offer(), headers=SDP) as response:
                assert response.status == 404
            async with http.post(f"{url}/whep/demo", data=b"v=0\r\ns=\xff\r\n", headers=SDP) as response:
                assert response.status == 400
            assert not studio.named["demo"].viewings

    run(work())
