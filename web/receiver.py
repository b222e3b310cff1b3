"""What a publisher sends, to `Publishing`: decoded pictures, Opus as it came, both on one clock."""

from __future__ import annotations

import asyncio
import time

import av
from aiortc import RTCRtpTransceiver
from aiortc.rtp import RtpPacket

from web.aiortc_hooks import ask_for_key
from web.decoding import PictureDecoder
from web.feeds import Publishing
from web.reorder import Arrival, Assembler, CodedPicture, Reorder
from web.rtp_time import PublisherClock

PICTURE_PATIENCE_SECONDS = 0.25
SOUND_PATIENCE_SECONDS = 0.06
KEY_SECONDS = 0.5
"""A key frame is asked for so often at most, while one is needed."""

_H264_KEY_UNITS = {5, 7}  # a slice of an IDR picture, a sequence parameter set


class PictureReceiver:
    """Implements `aiortc_hooks.PacketSink`. Pictures that can't be decoded whole are left out until a key frame comes:
    faces made from torn pictures would be worse than a moment's stillness."""

    def __init__(self, transceiver: RTCRtpTransceiver, publishing: Publishing, clock: PublisherClock) -> None:
        self._transceiver = transceiver
        self._publishing = publishing
        self._clock = clock
        self._reorder = Reorder(PICTURE_PATIENCE_SECONDS)
        self._assembler = Assembler()
        self._decoder = PictureDecoder(decoded=self._decoded, failed=self._undecodable)
        self._needs_key = True
        self._asked_at = 0.0
        self._ssrc: int | None = None
        self._closed = False

    def packet(self, packet: RtpPacket, payload: bytes) -> bool:
        self._ssrc = packet.ssrc
        for arrival, lost in self._reorder.put(Arrival(packet, payload, time.monotonic())):
            if lost:
                self._publishing.packets_lost("picture", lost)
            for picture in self._assembler.put(arrival, lost):
                self._take(picture)
        return self._may_ask()

    def report(self, ntp: int, rtp: int) -> None:
        self._clock.picture_report(ntp, rtp)

    async def ask_for_keys(self) -> None:
        """Asks again where a key frame is needed and nothing comes that could ask; runs until cancelled."""
        while True:
            await asyncio.sleep(KEY_SECONDS)
            if self._ssrc is not None and self._may_ask():
                await ask_for_key(self._transceiver, self._ssrc)

    def close(self) -> None:
        self._closed = True
        self._decoder.close()

    def _take(self, picture: CodedPicture) -> None:
        codec = self._codec_of(picture)
        if codec not in ("h264", "vp8"):
            return
        self._needs_key = (self._needs_key or picture.broken) and not is_key(codec, picture.data)
        if self._needs_key:
            self._publishing.lost("no_key_frame")
        elif (skipped := self._decoder.put(codec, picture)) > 0:
            self._publishing.lost("catching_up", skipped)
            self._needs_key = True

    def _codec_of(self, picture: CodedPicture) -> str:
        codecs = {codec.payloadType: codec.name for codec in self._transceiver._codecs}
        return codecs.get(picture.payload_type, "").lower()

    def _decoded(self, frame: av.VideoFrame, picture: CodedPicture, seconds: float) -> None:
        if not self._closed:
            media_seconds = self._clock.picture_seconds(picture.timestamp, picture.arrived_at)
            self._publishing.picture(
                frame, media_seconds=media_seconds, arrived_at=picture.arrived_at, decode_seconds=seconds
            )

    def _undecodable(self) -> None:
        if not self._closed:
            self._publishing.lost("undecodable")
            self._needs_key = True

    def _may_ask(self) -> bool:
        now = time.monotonic()
        if not self._needs_key or now - self._asked_at < KEY_SECONDS:
            return False
        self._asked_at = now
        return True


class SoundReceiver:
    """Implements `aiortc_hooks.PacketSink`; without aiortc's jitter buffer of 80 ms and its decoding."""

    def __init__(self, publishing: Publishing, clock: PublisherClock) -> None:
        self._publishing = publishing
        self._clock = clock
        self._reorder = Reorder(SOUND_PATIENCE_SECONDS)

    def packet(self, packet: RtpPacket, payload: bytes) -> bool:
        late = self._reorder.late
        for arrival, lost in self._reorder.put(Arrival(packet, payload, time.monotonic())):
            if lost:
                self._publishing.packets_lost("sound", lost)
            self._hand_on(arrival)
        if self._reorder.late > late:
            self._publishing.packets_lost("sound_late")
        return False

    def report(self, ntp: int, rtp: int) -> None:
        self._clock.sound_report(ntp, rtp)

    def _hand_on(self, arrival: Arrival) -> None:
        samples = opus_samples(arrival.payload)
        if samples:
            at = arrival.arrived_at
            media_seconds = self._clock.sound_seconds(arrival.packet.timestamp, at)
            self._publishing.sound(arrival.payload, samples=samples, media_seconds=media_seconds, arrived_at=at)


def is_key(codec: str, data: bytes) -> bool:
    """Whether decoding can begin with this picture. `data`: Annex B where `codec` is h264."""
    if codec == "vp8":
        return not data[0] & 1  # RFC 6386, section 9.1
    at = data.find(b"\x00\x00\x01")
    while 0 <= at < len(data) - 3:
        if data[at + 3] & 0x1F in _H264_KEY_UNITS:
            return True
        at = data.find(b"\x00\x00\x01", at + 3)
    return False


def opus_samples(packet: bytes) -> int:
    """The duration of an Opus packet in samples at 48 kHz (RFC 6716, section 3.1); 0 where it is none."""
    if not packet:
        return 0
    configuration, code = packet[0] >> 3, packet[0] & 3
    if configuration < 12:
        frame = (480, 960, 1920, 2880)[configuration % 4]
    elif configuration < 16:
        frame = (480, 960)[configuration % 2]
    else:
        frame = (120, 240, 480, 960)[configuration % 4]
    if code < 3:
        return frame * (1 if code == 0 else 2)
    count = packet[1] & 0x3F if len(packet) > 1 else 0
    return frame * count if frame * count <= 5760 else 0
