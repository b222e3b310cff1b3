"""Real WebRTC clients for tests: WHIP and WHEP spoken by aiortc, and a server to speak to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urljoin

import aiohttp
import av
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtcpSrPacket

from tests.helpers.studio import DemoStudio
from web.server import Server
from web.settings import WebSettings

PATIENCE_SECONDS = 20.0


@asynccontextmanager
async def serving(studio: DemoStudio, **settings: Any) -> AsyncIterator[str]:
    """The address of a server of this studio; both are closed at the end."""
    server = Server(studio, WebSettings(**{"port": 0, **settings}))
    try:
        await server.start()
        yield server.url
    finally:
        await server.aclose()
        await studio.aclose()


async def until(what: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Waits until it is so; fails where it never is."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to that in time"
        await asyncio.sleep(0.02)


class Client:
    """A peer and its session's address. Use it as an asynchronous context: its end says DELETE, unless told not to."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.http = aiohttp.ClientSession()
        self.session = ""
        self.etag = ""
        self.answer = ""
        self.reports: dict[int, list[tuple[int, int]]] = {}
        self.goodbye = True

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def start(self) -> None:
        headers = {"Content-Type": "application/sdp"}
        async with self.http.post(self.endpoint, data=await self.offer(), headers=headers) as response:
            self.answer = await response.text()
            assert response.status == 201, self.answer
            self.session = urljoin(str(response.url), response.headers["Location"])
            self.etag = response.headers["ETag"]
        await self.connection.setRemoteDescription(RTCSessionDescription(self.answer, "answer"))

    async def __aenter__(self) -> Any:
        await self.start()
        return self

    async def __aexit__(self, *failure: object) -> None:
        try:
            if self.goodbye:
                async with self.http.delete(self.session) as response:
                    assert response.status == 200
        finally:
            await self.http.close()
            await self.connection.close()


class WhepClient(Client):
    """Takes pictures and sound, decoded by aiortc; `messages` are those of the data channel, if there is one."""

    def __init__(self, endpoint: str, *, audio: bool = True, channel: bool = False) -> None:
        super().__init__(endpoint)
        if audio:
            self.connection.addTransceiver("audio", direction="recvonly")
        self.connection.addTransceiver("video", direction="recvonly")
        self.pictures: list[av.VideoFrame] = []
        self.sounds: list[av.AudioFrame] = []
        self.messages: list[str] = []
        self.channel = self.connection.createDataChannel("facelane") if channel else None
        if self.channel is not None:
            self.channel.on("message", self.messages.append)
        self._tasks: list[asyncio.Future[None]] = []
        self.connection.on("track", self._take)

    async def start(self) -> None:
        await super().start()
        for receiver in self.connection.getReceivers():
            self._listen(receiver)

    async def __aexit__(self, *failure: object) -> None:
        for task in self._tasks:
            task.cancel()
        await super().__aexit__(*failure)

    def _take(self, track: MediaStreamTrack) -> None:
        self._tasks.append(asyncio.ensure_future(self._drain(track)))

    async def _drain(self, track: MediaStreamTrack) -> None:
        kept: list[Any] = self.pictures if track.kind == "video" else self.sounds
        while True:
            try:
                kept.append(await track.recv())
            except MediaStreamError:
                return

    def _listen(self, receiver: Any) -> None:
        handle = receiver._handle_rtcp_packet

        async def listen(packet: object) -> None:
            if isinstance(packet, RtcpSrPacket):
                times = (packet.sender_info.ntp_timestamp, packet.sender_info.rtp_timestamp)
                self.reports.setdefault(packet.ssrc, []).append(times)
            await handle(packet)

        receiver._handle_rtcp_packet = listen


class WhipClient(Client):
    """Sends what its tracks give, encoded by aiortc."""

    def __init__(self, endpoint: str, *tracks: MediaStreamTrack, codec: str = "video/H264") -> None:
        super().__init__(endpoint)
        for track in tracks:
            transceiver = self.connection.addTransceiver(track, direction="sendonly")
            if track.kind == "video":
                codecs = transceiver.sender.getCapabilities("video").codecs
                transceiver.setCodecPreferences([each for each in codecs if each.mimeType == codec])
