"""A publisher: WHIP (RFC 9725), H.264 or VP8 and Opus."""

from __future__ import annotations

import re
from collections.abc import Callable

from aiortc import RTCRtpSender
from aiortc.rtcrtpparameters import RTCRtpCodecCapability

from web.aiortc_hooks import tap_receiver
from web.feeds import Publishing
from web.offers import Offer
from web.peers import Peer
from web.receiver import PictureReceiver, SoundReceiver
from web.rtp_time import PublisherClock
from web.settings import WebSettings

LEAST_BITRATE = 6_000_000
"""What a publisher is told that it may send, at least, in bits a second. aiortc's estimate begins near 0.25 Mb/s and
takes a minute to let a camera through unblurred, and blur can't be undone here; losses still slow a publisher down."""

START_BITRATE_KBPS = 2500
"""Where Chromium and its kin begin, which otherwise feel their way up from 0.3 Mb/s. Others ignore it."""

_CODECS = (  # the ones preferred first
    "audio/opus",
    "video/H264",
    "video/VP8",
    "video/rtx",
)


class Publisher(Peer):
    """Hands what comes to `publishing`."""

    kind = "publisher"
    protocol = "whip"

    def __init__(
        self, name: str, settings: WebSettings, *, publishing: Publishing, on_closed: Callable[[Peer], None]
    ) -> None:
        super().__init__(name, settings, on_closed=on_closed)
        self._publishing = publishing
        self._pictures: PictureReceiver | None = None

    def prepare(self, offer: Offer) -> None:
        for kind in offer.kinds():
            transceiver = self.connection.addTransceiver(kind, direction="recvonly")
            transceiver.setCodecPreferences(_codecs(kind))

    def connect(self) -> None:
        self.spawn(self._end_with_the_stream(), "ending")
        clock = PublisherClock()
        for transceiver in self.connection.getTransceivers():
            if transceiver.kind == "video":
                self._pictures = PictureReceiver(transceiver, self._publishing, clock)
                tap_receiver(transceiver.receiver, self._pictures, least_bitrate=LEAST_BITRATE)
                self.spawn(self._pictures.ask_for_keys(), "key frames")
            else:
                sounds = SoundReceiver(self._publishing, clock)
                tap_receiver(transceiver.receiver, sounds, least_bitrate=LEAST_BITRATE)

    def amend(self, answer: str) -> str:
        return with_start_bitrate(answer)

    def codecs_wanted(self) -> str:
        return "H.264 (baseline) or VP8, and Opus, are what is taken: offer them"

    def let_go(self) -> None:
        if self._pictures is not None:
            self._pictures.close()
        self._publishing.close()

    async def _end_with_the_stream(self) -> None:
        self.close(await self._publishing.ended())


def with_start_bitrate(answer: str) -> str:
    """Gives every H.264 and VP8 of an answer Chromium's parameter for its first estimate."""
    hint = f"x-google-start-bitrate={START_BITRATE_KBPS}"
    lines = answer.split("\r\n")
    coded = [line.split()[0].split(":")[1] for line in lines if re.fullmatch(r"a=rtpmap:\d+ (H264|VP8)/90000", line)]
    for kind in coded:
        begin = f"a=fmtp:{kind} "
        if any(line.startswith(begin) for line in lines):
            lines = [f"{line};{hint}" if line.startswith(begin) else line for line in lines]
        else:
            at = next(at for at, line in enumerate(lines) if line.startswith(f"a=rtpmap:{kind} "))
            lines.insert(at + 1, begin + hint)
    return "\r\n".join(lines)


def _codecs(kind: str) -> list[RTCRtpCodecCapability]:
    offered = RTCRtpSender.getCapabilities(kind).codecs
    return [codec for mime_type in _CODECS for codec in offered if codec.mimeType == mime_type]
