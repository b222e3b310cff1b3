"""Every place where this room reaches into aiortc, checked against a real peer by `tests/web/test_rtc_hooks.py`.

aiortc's own ways would encode every viewer's stream apart, hold each received picture back until the next one begins,
decode sound that is only passed on, and gather addresses for five seconds.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Protocol

from aiortc import RTCDtlsTransport, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters
from aiortc.rtcrtpsender import RTCEncodedFrame
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_PLI,
    HeaderExtensions,
    HeaderExtensionsMap,
    RtcpPsfbPacket,
    RtcpSrPacket,
    RtpPacket,
    pack_header_extensions,
    unpack_header_extensions,
)

RTP_MODULUS = 1 << 32
PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
"""An RTP header extension of libwebrtc: the least and the most delay, 12 bits each, in steps of 10 ms."""

_SENDER_REPORT = 200
_RTCP_KINDS = range(192, 224)  # RFC 5761, section 4
_SENDER_INFO = struct.Struct("!QL")
_SENDER_INFO_AT = 8

NextUnit = Callable[[], Awaitable[tuple[list[bytes], int]]]
"""The next payloads to send, with their time on the RTP clock, not yet shifted by the stream's random beginning."""

Departed = Callable[[int], None]
"""Called with the RTP timestamp really used when the first packet of a unit leaves."""

ReportTimes = Callable[[], tuple[int, int] | None]
"""An NTP time (64 bits) and the RTP timestamp of the same moment, for a sender report; None while there is none."""


def feed_sender(
    sender: RTCRtpSender,
    *,
    next_unit: NextUnit,
    departed: Departed,
    report_times: ReportTimes,
    need_key: Callable[[], None],
) -> None:
    """Makes `sender` send what `next_unit` gives. Call it after the remote description is set, since that may replace
    the sender's transport."""

    async def next_encoded_frame(codec: object) -> RTCEncodedFrame:
        units, timestamp = await next_unit()
        tap.fresh = True
        return RTCEncodedFrame(units, timestamp % RTP_MODULUS, None)  # type: ignore[arg-type] # no level of sound

    tap = _SendTap(sender.transport, departed=departed, report_times=report_times)
    sender.setTransport(tap)  # type: ignore[arg-type] # has what a sender uses of its transport
    _replace(sender, "_next_encoded_frame", next_encoded_frame)
    _replace(sender, "_send_keyframe", need_key)


class _SendTap:
    """Stands before a sender's transport: sees RTP timestamps and puts the right times into sender reports."""

    def __init__(self, transport: RTCDtlsTransport, *, departed: Departed, report_times: ReportTimes) -> None:
        self._transport = transport
        self._pass_on = transport._send_rtp
        self._departed = departed
        self._report_times = report_times
        self.fresh = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    async def _send_rtp(self, data: bytes) -> None:
        kind = data[1]
        if kind == _SENDER_REPORT:
            data = self._retimed(data)
        elif self.fresh and kind not in _RTCP_KINDS:
            self.fresh = False
            self._departed(int.from_bytes(data[4:8], "big"))
        await self._pass_on(data)

    def _retimed(self, report: bytes) -> bytes:
        times = self._report_times()
        if times is None:
            return report
        end = _SENDER_INFO_AT + _SENDER_INFO.size
        return report[:_SENDER_INFO_AT] + _SENDER_INFO.pack(*times) + report[end:]


def allow_playout_delay(
    transceiver: RTCRtpTransceiver, offered: Iterable[RTCRtpHeaderExtensionParameters], *, most_seconds: float
) -> None:
    """Tells the receiver with every packet that it may show pictures as they come, and may hold them so long at most;
    where `offered`, its header extensions, let that be told. Call it between the two descriptions."""
    extension = next((extension for extension in offered if extension.uri == PLAYOUT_DELAY), None)
    if extension is not None:
        transceiver._headerExtensions.append(extension)
        delays = round(100 * most_seconds).to_bytes(3, "big")
        _replace(transceiver.sender, "_RTCRtpSender__rtp_header_extensions_map", _OneMore(extension.id, delays))


class _OneMore(HeaderExtensionsMap):
    """aiortc's header extensions, and one that it doesn't know, with the same value in every packet."""

    def __init__(self, number: int, value: bytes) -> None:
        super().__init__()
        self._last = (number, value)

    def set(self, values: HeaderExtensions) -> tuple[int, bytes]:
        return pack_header_extensions([*unpack_header_extensions(*super().set(values)), self._last])


class PacketSink(Protocol):
    """What becomes of a received stream. Both are called on the event loop, and raise nothing."""

    def packet(self, packet: RtpPacket, payload: bytes) -> bool:
        """One RTP packet, retransmitted ones put back into their place, and its payload without the codec's
        descriptor. Whether the publisher is to send a key frame now."""
        ...

    def report(self, ntp: int, rtp: int) -> None:
        """The times of a sender report."""
        ...


class _PacketTap:
    """Stands in the place of aiortc's jitter buffer, which gives a picture only when the next one begins."""

    def __init__(self, sink: PacketSink) -> None:
        self._sink = sink

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        return self._sink.packet(packet, packet._data), None  # type: ignore[attr-defined] # set by the receiver


def tap_receiver(receiver: RTCRtpReceiver, sink: PacketSink, *, least_bitrate: int) -> None:
    """Hands what `receiver` gets to `sink`; aiortc goes on with its reports and retransmissions, and decodes nothing.
    Its estimate of what the publisher may send is told as `least_bitrate` (bits a second) at least."""
    handle_rtcp = receiver._handle_rtcp_packet
    send_rtcp = receiver._send_rtcp

    async def handle_rtcp_packet(packet: object) -> None:
        if isinstance(packet, RtcpSrPacket):
            sink.report(packet.sender_info.ntp_timestamp, packet.sender_info.rtp_timestamp)
        await handle_rtcp(packet)  # type: ignore[arg-type]

    async def send_rtcp_packet(packet: Any) -> None:
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
            packet = _raised(packet, least_bitrate)
        await send_rtcp(packet)

    _replace(receiver, "_RTCRtpReceiver__jitter_buffer", _PacketTap(sink))
    _replace(receiver, "_handle_rtcp_packet", handle_rtcp_packet)
    _replace(receiver, "_send_rtcp", send_rtcp_packet)


def _raised(estimate: RtcpPsfbPacket, least_bitrate: int) -> RtcpPsfbPacket:
    from aiortc.rtp import pack_remb_fci, unpack_remb_fci

    bitrate, ssrcs = unpack_remb_fci(estimate.fci)
    fci = pack_remb_fci(max(bitrate, least_bitrate), ssrcs)
    return RtcpPsfbPacket(fmt=estimate.fmt, ssrc=estimate.ssrc, media_ssrc=estimate.media_ssrc, fci=fci)


async def ask_for_key(transceiver: RTCRtpTransceiver, media_ssrc: int) -> None:
    """Sends a picture loss indication (RFC 4585, section 6.3.1)."""
    packet = RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=transceiver.sender._ssrc, media_ssrc=media_ssrc)
    await transceiver.receiver._send_rtcp(packet)


def limit_gathering(connection: RTCPeerConnection, *, seconds: float, loopback: bool) -> None:
    """Ends the search for own addresses after `seconds`, with what there is by then; `loopback` adds 127.0.0.1, which
    aiortc leaves out. Call it after the remote description is set."""
    for transport in transports(connection):
        ice = transport.transport.iceGatherer._connection
        _replace(ice, "get_component_candidates", partial(_gather, ice.get_component_candidates, seconds, loopback))


def be_dtls_server(connection: RTCPeerConnection) -> None:
    """Lets the other side begin the DTLS handshake, where it left that open (`a=setup:actpass`). aiortc would be the
    client, and takes ECDSA certificates only from a server: GStreamer's are RSA. Call it after the remote description
    is set."""
    for transport in transports(connection):
        if transport._role == "auto":
            transport._set_role("server")


async def _gather(
    gather: Callable[..., Awaitable[Any]], seconds: float, loopback: bool, component: int, addresses: Iterable[str]
) -> Any:
    own = ["127.0.0.1"] if loopback else []
    return await gather(component=component, addresses=[*addresses, *own], timeout=seconds)


def packets_received(connection: RTCPeerConnection) -> int:
    """Datagrams of media, reports and data that have come, keep-alives apart."""
    reports = [transport._get_stats() for transport in transports(connection)]
    return sum(stats.packetsReceived for report in reports for stats in report.values())


def transports(connection: RTCPeerConnection) -> list[RTCDtlsTransport]:
    found = [transceiver.receiver.transport for transceiver in connection.getTransceivers()]
    if connection.sctp is not None:
        found.append(connection.sctp.transport)
    return list(dict.fromkeys(found))


def _replace(owner: object, name: str, value: object) -> None:
    if not hasattr(owner, name):
        raise AttributeError(f"{type(owner).__name__} has no {name}: this aiortc is not one that Facelane knows")
    setattr(owner, name, value)
