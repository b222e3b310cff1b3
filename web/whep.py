"""A viewer: WHEP (draft-ietf-wish-whep), H.264 constrained baseline and Opus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from aiortc import RTCDataChannel, RTCRtpSender
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpparameters import (
    RTCRtpCodecCapability,
    RTCRtpCodecParameters,
    RTCRtpHeaderExtensionParameters,
)
from aiortc.sdp import H264Profile, MediaDescription, parse_h264_profile_level_id

from web.aiortc_hooks import allow_playout_delay, feed_sender
from web.datachannel import LABEL, PageChannel
from web.feeds import EndOfFeed, Status, Viewing
from web.offers import Offer
from web.packing import PackedPicture, Packer
from web.peers import Peer
from web.sender import PICTURE_RATE, SOUND_RATE, CaptureClock, FedTrack, RtpClock
from web.settings import WebSettings

MOST_HOLD_SECONDS = 0.5
"""A browser may hold pictures so long to keep them in step with its loudspeakers. While it needs not, it shows them at
once instead of spacing them evenly, which would cost 30 to 50 ms; libwebrtc takes no higher limit for that."""

SOUND_PAUSE_SECONDS = 1.0
"""Sound begins so long after the first picture. A browser needs a moment to open its loudspeakers; what it gets
meanwhile piles up, is late for seconds, and makes it hold the pictures back."""

_CONSTRAINED_BASELINE, _BASELINE = "42e01f", "42001f"


class Viewer(Peer):
    """Sends what `viewing` gives; `packer` is shared by all viewers. `changes`: the stream's status, told to a page."""

    kind = "viewer"
    protocol = "whep"

    def __init__(
        self,
        name: str,
        settings: WebSettings,
        *,
        viewing: Viewing,
        packer: Packer,
        changes: Callable[[], AsyncIterator[Status]],
        on_closed: Callable[[Peer], None],
    ) -> None:
        super().__init__(name, settings, on_closed=on_closed)
        self._viewing = viewing
        self._packer = packer
        self._changes = changes
        self._clock = CaptureClock()
        self._picture_clock = RtpClock(self._clock, PICTURE_RATE)
        self._sound_clock = RtpClock(self._clock, SOUND_RATE)
        self._extensions: Sequence[RTCRtpHeaderExtensionParameters] = ()
        self._leaving: PackedPicture | None = None
        self._shown = asyncio.Event()
        self._sounds = False
        self._sound_pts = 0
        self._channel: PageChannel | None = None

    def prepare(self, offer: Offer) -> None:
        for media in offer.media:
            if media.kind in ("audio", "video"):
                transceiver = self.connection.addTransceiver(FedTrack(media.kind), direction="sendonly")
                transceiver.setCodecPreferences(_codecs(media))
            if media.kind == "video":
                self._extensions = media.rtp.headerExtensions
        self.connection.on("datachannel", self._open_channel)

    def connect(self) -> None:
        for transceiver in self.connection.getTransceivers():
            picture = transceiver.kind == "video"
            if picture:
                allow_playout_delay(transceiver, self._extensions, most_seconds=MOST_HOLD_SECONDS)
            feed_sender(
                transceiver.sender,
                next_unit=self._next_picture if picture else self._next_sound,
                departed=self._picture_departed if picture else self._sound_departed,
                report_times=(self._picture_clock if picture else self._sound_clock).report,
                need_key=self._viewing.need_key,
            )

    def codecs_wanted(self) -> str:
        return "H.264 (constrained baseline, packetization-mode 1) and Opus are what is served: offer them"

    def let_go(self) -> None:
        self._viewing.close()

    async def _next_picture(self) -> tuple[list[bytes], int]:
        if self._leaving is None:  # what waited while the viewer connected may be old, or without its key frame
            self._viewing.need_key()
        try:
            picture = await self._viewing.picture()
        except EndOfFeed:
            raise self._end() from None
        self._clock.see(picture.captured_at, picture.pts, PICTURE_RATE)
        self._leaving = self._packer.pack(picture)
        return self._leaving.payloads, picture.pts

    async def _next_sound(self) -> tuple[list[bytes], int]:
        if not self._sounds:
            await self._shown.wait()
            await asyncio.sleep(SOUND_PAUSE_SECONDS)
            self._sounds = True
        try:
            sound = await self._viewing.sound()
        except EndOfFeed:
            raise self._end() from None
        self._sound_pts = sound.pts
        return [sound.data], sound.pts

    def _picture_departed(self, rtp: int) -> None:
        assert self._leaving is not None
        self._shown.set()
        self._picture_clock.departed(rtp, self._leaving.picture.pts)
        if self._channel is not None:
            self._channel.picture(self._leaving, rtp)

    def _sound_departed(self, rtp: int) -> None:
        self._sound_clock.departed(rtp, self._sound_pts)

    def _end(self) -> MediaStreamError:
        self.close("the stream was removed")
        return MediaStreamError("the stream was removed")

    def _open_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == LABEL and self._channel is None:
            self._channel = PageChannel(channel, self._viewing)
            self.spawn(self._tell_status(self._channel), "status")

    async def _tell_status(self, channel: PageChannel) -> None:
        async for status in self._changes():
            channel.status(status)


def _codecs(media: MediaDescription) -> list[RTCRtpCodecCapability]:
    """One codec and its retransmission, so that the answer leaves no doubt about what comes."""
    wanted = _profile(media) if media.kind == "video" else None
    return [
        codec
        for codec in RTCRtpSender.getCapabilities(media.kind).codecs
        if codec.mimeType in ("audio/opus", "video/rtx") or wanted == codec.parameters.get("profile-level-id", "")
    ]


def _profile(media: MediaDescription) -> str:
    """aiortc's name of constrained baseline; that of baseline, which includes it, where only that is offered."""
    offered = {_h264_profile(codec) for codec in media.rtp.codecs if codec.name.upper() == "H264"}
    plain = H264Profile.PROFILE_BASELINE in offered and H264Profile.PROFILE_CONSTRAINED_BASELINE not in offered
    return _BASELINE if plain else _CONSTRAINED_BASELINE


def _h264_profile(codec: RTCRtpCodecParameters) -> H264Profile | None:
    if str(codec.parameters.get("packetization-mode", "0")) != "1":
        return None
    try:
        return parse_h264_profile_level_id(str(codec.parameters.get("profile-level-id", _CONSTRAINED_BASELINE)))[0]
    except ValueError:
        return None
