"""Offers that are meant to keep the event loop busy."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import aiohttp
import pytest

from tests.helpers.rtc import serving
from tests.helpers.studio import DemoStudio
from web.offers import MAX_CODEC_LINES, MAX_FEEDBACK_LINES, MAX_LINES, parse_offer
from web.refusal import Refusal

HEAD = (
    "v=0",
    "o=- 1 1 IN IP4 0.0.0.0",
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0",
)
SECTION = (
    "a=mid:0",
    "a=recvonly",
    "a=rtcp-mux",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:abcdefghijklmnopqrstuvwx",
    f"a=fingerprint:sha-256 {':'.join(['AA'] * 32)}",
    "a=setup:actpass",
)
H264 = ("a=rtpmap:96 H264/90000",)


def offer(*codec_lines: str, types: str = "96") -> str:
    return "\r\n".join([*HEAD, f"m=video 9 UDP/TLS/RTP/SAVPF {types}", *SECTION, *codec_lines, ""])


def refused(text: str) -> str:
    with pytest.raises(Refusal) as refusal:
        parse_offer(text)
    assert refusal.value.status == HTTPStatus.BAD_REQUEST
    return str(refusal.value)


def test_as_many_lines_as_browsers_ever_send_are_read() -> None:
    numbers = [*range(35, 64), *range(96, 128)]
    lines = [
        *(f"a=rtpmap:{number} H264/90000" for number in numbers),
        *(f"a=fmtp:{number} packetization-mode=1" for number in numbers),
        *(f"a=rtcp-fb:{number} nack" for number in numbers),
    ]
    read = parse_offer(offer(*lines, types=" ".join(map(str, numbers))))
    assert len(read.media[0].rtp.codecs) == len(numbers)


@pytest.mark.parametrize(
    ("line", "most"),
    [
        ("a=rtcp-fb:* nack", MAX_FEEDBACK_LINES),
        ("a=rtcp-fb:96 nack", MAX_FEEDBACK_LINES),
        ("a=fmtp:96 a=b", MAX_CODEC_LINES),
    ],
)
def test_more_lines_of_codecs_than_there_are_codecs_are_refused(line: str, most: int) -> None:
    parse_offer(offer(*H264, *[line] * most))
    assert f"more than {MAX_CODEC_LINES}" in refused(offer(*H264, *[line] * (most + 1)))


def test_feedback_of_all_codecs_together_is_limited() -> None:
    lines = [f"a=rtcp-fb:{number} nack" for number in range(MAX_CODEC_LINES + 1)]
    assert f"more than {MAX_CODEC_LINES}" in refused(offer(*H264, *lines))


def test_more_codecs_than_payload_types_are_refused() -> None:
    lines = [f"a=rtpmap:{number} H264/90000" for number in range(MAX_CODEC_LINES + 1)]
    assert f"more than {MAX_CODEC_LINES}" in refused(offer(*lines))


def test_a_payload_type_means_one_codec() -> None:
    assert "payload type" in refused(offer(*H264 * 2))
    assert "payload type" in refused(offer(*H264, types="96 97 96"))


def test_sections_are_counted_apart() -> None:
    video = offer(*H264, *["a=fmtp:96 a=b"] * MAX_CODEC_LINES)
    second = ["m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:1", *SECTION[1:], *H264, "a=fmtp:96 a=b", ""]
    assert len(parse_offer(video + "\r\n".join(second)).media) == 2


def test_long_descriptions_are_refused_unread() -> None:
    assert f"more than {MAX_LINES}" in refused(offer(*[f"a=ssrc:{number} cname:x" for number in range(MAX_LINES)]))


def test_a_stream_that_is_not_there_is_said_before_the_offer_is_read() -> None:
    async def work() -> None:
        async with serving(DemoStudio("demo")) as url, aiohttp.ClientSession() as http:
            headers = {"Content-Type": "application/sdp"}
            async with http.post(f"{url}/whep/none", data="no description", headers=headers) as response:
                assert response.status == 404

    asyncio.run(asyncio.wait_for(work(), 30))
