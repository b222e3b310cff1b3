"""WHEP viewers that take a stream and throw it away undecoded: further viewers that cost the machine little.

    python -m tests.bench.light URL COUNT

Prints "ready" when all are connected; when its input ends, it leaves and prints what each got, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from urllib.parse import urljoin

import aiohttp
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import RtpPacket

CONNECT_SECONDS = 20.0


@dataclass
class Got:
    """Of one viewer: `pictures`, counted by the last packet of each, in the `seconds` since the first; `packets` and
    `bytes` of picture and sound."""

    pictures: int = 0
    packets: int = 0
    bytes: int = 0
    seconds: float = 0.0


class LightViewer:
    """One viewer. `open` raises aiohttp.ClientError where the server refuses, TimeoutError where nothing connects."""

    def __init__(self, url: str) -> None:
        self.got = Got()
        self._url = url
        self._peer = RTCPeerConnection()
        self._session = ""
        self._first_at = 0.0

    async def open(self, http: aiohttp.ClientSession) -> None:
        connected = asyncio.Event()

        def follow() -> None:
            if self._peer.connectionState == "connected":
                connected.set()

        self._peer.on("connectionstatechange", follow)
        for kind in ("video", "audio"):
            receiver = self._peer.addTransceiver(kind, direction="recvonly").receiver
            # Before anything is decoded; RTCP and everything below go their usual way.
            receiver._handle_rtp_packet = self._count  # type: ignore[method-assign]
        await self._peer.setLocalDescription(await self._peer.createOffer())
        headers = {"Content-Type": "application/sdp"}
        async with http.post(self._url, data=self._peer.localDescription.sdp, headers=headers) as answer:
            answer.raise_for_status()
            self._session = answer.headers["Location"]
            sdp = await answer.text()
        await self._peer.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        await asyncio.wait_for(connected.wait(), CONNECT_SECONDS)

    async def aclose(self, http: aiohttp.ClientSession) -> None:
        async with http.delete(urljoin(self._url, self._session)):
            await self._peer.close()

    async def _count(self, packet: RtpPacket, *_: object, **__: object) -> None:
        self.got.packets += 1
        self.got.bytes += len(packet.payload)
        if packet.marker and packet.payload_type != self._sound_type:
            self.got.pictures += 1
            self._first_at = self._first_at or time.monotonic()
            self.got.seconds = time.monotonic() - self._first_at

    @property
    def _sound_type(self) -> int:
        """Opus marks packets too, after silence."""
        sound = next(one for one in self._peer.getTransceivers() if one.kind == "audio")
        return next((codec.payloadType for codec in sound._codecs if codec.payloadType is not None), -1)


async def run(url: str, count: int) -> None:
    async with aiohttp.ClientSession() as http:
        viewers = [LightViewer(url) for _ in range(count)]
        await asyncio.gather(*(viewer.open(http) for viewer in viewers))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
        await asyncio.gather(*(viewer.aclose(http) for viewer in viewers))
    sys.stdout.write(json.dumps([asdict(viewer.got) for viewer in viewers]) + "\n")


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
