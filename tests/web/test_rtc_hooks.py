"""aiortc as it is, where this room reaches into it: each test fails when a new aiortc changes what is relied on."""

from __future__ import annotations

import asyncio
import inspect
import struct
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtp import (
    HeaderExtensions,
    HeaderExtensionsMap,
    RtcpSenderInfo,
    RtcpSrPacket,
    RtpPacket,
    unpack_header_extensions,
)

from tests.helpers.rtc import until
from web.aiortc_hooks import (
    PLAYOUT_DELAY,
    RTP_MODULUS,
    _replace,
    allow_playout_delay,
    ask_for_key,
    feed_sender,
    limit_gathering,
    packets_received,
    tap_receiver,
    transports,
)
from web.sender import FedTrack


class Sink:
    def __init__(self) -> None:
        self.packets: list[tuple[RtpPacket, bytes]] = []
        self.reports: list[tuple[int, int]] = []

    def packet(self, packet: RtpPacket, payload: bytes) -> bool:
        self.packets.append((packet, payload))
        return False

    def report(self, ntp: int, rtp: int) -> None:
        self.reports.append((ntp, rtp))


class Extensions(HeaderExtensionsMap):
    """What a receiver reads header extensions by; it keeps them as they came."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[int, bytes]] = []

    def get(self, extension_profile: int, extension_value: bytes) -> HeaderExtensions:
        self.seen.append(dict(unpack_header_extensions(extension_profile, extension_value)))
        return super().get(extension_profile, extension_value)


class Pair:
    """A sender that is fed and a receiver that is tapped, connected to each other."""

    def __init__(self) -> None:
        self.sending = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.receiving = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.sink = Sink()
        self.departed: list[int] = []
        self.keys = 0
        self.sent = 0
        self.answer = ""
        self.extensions = Extensions()

    async def __aenter__(self) -> Pair:
        self.receiving.addTransceiver("video", direction="recvonly")
        await self.receiving.setLocalDescription(await self.receiving.createOffer())
        sender = self.sending.addTransceiver(FedTrack("video"), direction="sendonly").sender
        await self.sending.setRemoteDescription(self._described(self.receiving))
        limit_gathering(self.sending, seconds=0.5, loopback=True)
        offered = [RTCRtpHeaderExtensionParameters(id=7, uri=PLAYOUT_DELAY)]
        allow_playout_delay(self.sending.getTransceivers()[0], offered, most_seconds=0.5)
        feed_sender(
            sender,
            next_unit=self._next,
            departed=self.departed.append,
            report_times=lambda: (123 << 32, 456),
            need_key=self._need_key,
        )
        await self.sending.setLocalDescription(await self.sending.createAnswer())
        self.answer = self.sending.localDescription.sdp
        transports(self.receiving)[0]._rtp_header_extensions_map = self.extensions
        tap_receiver(self.receiving.getReceivers()[0], self.sink, least_bitrate=3_000_000)
        await self.receiving.setRemoteDescription(self._described(self.sending))
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.sending.close()
        await self.receiving.close()

    def _described(self, connection: RTCPeerConnection) -> RTCSessionDescription:
        found = connection.localDescription
        return RTCSessionDescription(found.sdp, found.type)

    def _need_key(self) -> None:
        self.keys += 1

    async def _next(self) -> tuple[list[bytes], int]:
        await asyncio.sleep(0.02)
        self.sent += 1
        # VP8, the first codec of the offer: a descriptor of one byte, with its start bit on the first packet.
        return [b"\x10first", b"\x00second"], (RTP_MODULUS - 3000) + 3000 * self.sent


def run(work: Callable[[Pair], Awaitable[None]]) -> None:
    async def connected() -> None:
        async with Pair() as pair:
            await work(pair)

    asyncio.run(asyncio.wait_for(connected(), 30))


def test_payloads_and_timestamps_pass_as_they_are_given() -> None:
    async def work(pair: Pair) -> None:
        await until(lambda: len(pair.sink.packets) >= 10)
        assert [payload for _, payload in pair.sink.packets[:4]] == [b"first", b"second"] * 2
        assert [packet.marker for packet, _ in pair.sink.packets[:4]] == [0, 1, 0, 1]
        told, seen = pair.departed[:5], [packet.timestamp for packet, _ in pair.sink.packets[:10:2]]
        assert told == seen
        assert {(after - before) % RTP_MODULUS for before, after in pairwise(told)} == {3000}

    run(work)


def test_sender_reports_tell_the_times_that_they_are_given() -> None:
    async def work(pair: Pair) -> None:
        await until(lambda: bool(pair.sink.reports))
        assert pair.sink.reports[0] == (123 << 32, 456)

    run(work)


def test_every_packet_tells_how_long_pictures_may_be_held() -> None:
    async def work(pair: Pair) -> None:
        await until(lambda: len(pair.sink.packets) >= 10)
        assert f"a=extmap:7 {PLAYOUT_DELAY}\r\n" in pair.answer
        assert {found[7] for found in pair.extensions.seen} == {
            bytes([0, 0, 50])
        }  # of 12 bits each: 0, and 50 of 10 ms
        assert {len(found) for found in pair.extensions.seen} == {3}, "those that aiortc knows are there as before"

    run(work)


def test_wishes_for_key_frames_go_both_ways() -> None:
    async def work(pair: Pair) -> None:
        await until(lambda: bool(pair.sink.packets))
        await ask_for_key(pair.receiving.getTransceivers()[0], pair.sink.packets[0][0].ssrc)
        await until(lambda: pair.keys == 1)

    run(work)


def test_life_is_seen_while_reports_come() -> None:
    async def work(pair: Pair) -> None:
        await until(lambda: packets_received(pair.sending) > 0)
        assert len(transports(pair.sending)) == 1

    run(work)


def test_loopback_is_among_the_addresses_where_it_is_asked_for() -> None:
    async def work(pair: Pair) -> None:
        assert " 127.0.0.1 " in pair.answer

    run(work)


def test_gathering_ends_in_time_with_what_there_is() -> None:
    async def work() -> None:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[RTCIceServer(urls="stun:127.0.0.1:9")]))
        other = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        try:
            other.addTransceiver("video", direction="recvonly")
            await other.setLocalDescription(await other.createOffer())
            offer = RTCSessionDescription(other.localDescription.sdp, "offer")
            await connection.setRemoteDescription(offer)
            limit_gathering(connection, seconds=0.2, loopback=True)
            began = time.monotonic()
            await connection.setLocalDescription(await connection.createAnswer())
            assert time.monotonic() - began < 3.0  # aiortc's own limit is 5 s
            assert "a=candidate:" in connection.localDescription.sdp
        finally:
            await connection.close()
            await other.close()

    asyncio.run(work())


def test_what_is_not_there_is_not_replaced() -> None:
    with pytest.raises(AttributeError, match="not one that Facelane knows"):
        _replace(object(), "anything", 1)


def test_a_sender_report_has_its_times_where_they_are_written() -> None:
    """RFC 3550, section 6.4.1, as aiortc packs it."""
    info = RtcpSenderInfo(ntp_timestamp=0x0102030405060708, rtp_timestamp=0x090A0B0C, packet_count=1, octet_count=2)
    packed = bytes(RtcpSrPacket(ssrc=5, sender_info=info))
    assert packed[1] == 200
    assert struct.unpack_from("!QL", packed, 8) == (info.ntp_timestamp, info.rtp_timestamp)


def test_the_receiver_still_asks_the_jitter_buffer_as_it_did() -> None:
    """The tap stands in its place: `pli_flag, frame = buffer.add(packet)`."""
    source = inspect.getsource(RTCRtpReceiver._handle_rtp_packet)
    assert "pli_flag, encoded_frame = self.__jitter_buffer.add(packet)" in source
