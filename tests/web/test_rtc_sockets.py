"""Sessions that end while they begin leave no socket behind, whoever ended them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from tests.helpers.studio import DemoStudio
from web.server import Server
from web.settings import WebSettings

# From before the request is read to after the answer is out.
MOMENTS = [0.001 * moment for moment in range(0, 24, 2)]


def open_sockets() -> int:
    links = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH118, PTH208
    return sum(Path(link).is_socket() for link in links)


async def offer() -> str:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("video", direction="recvonly")
    await connection.setLocalDescription(await connection.createOffer())
    sdp = str(connection.localDescription.sdp)
    await connection.close()
    return sdp


async def post(url: str, sdp: str) -> None:
    headers = {"Content-Type": "application/sdp"}
    async with aiohttp.ClientSession() as http, http.post(f"{url}/whep/demo", data=sdp, headers=headers) as response:
        await response.read()


async def begin_and_end(sdp: str, *, after: float, by: str) -> None:
    studio = DemoStudio("demo")
    server = Server(studio, WebSettings(port=0))
    await server.start()
    request = asyncio.create_task(post(server.url, sdp))
    await asyncio.sleep(after)
    if by == "client":
        request.cancel()
        await asyncio.sleep(0.01)
    await server.aclose()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    await studio.aclose()


@pytest.mark.parametrize("by", ["client", "server"])
def test_no_socket_is_left(by: str) -> None:
    async def run() -> None:
        sdp = await offer()
        await begin_and_end(sdp, after=0.05, by=by)
        before = open_sockets()
        for moment in MOMENTS:
            await begin_and_end(sdp, after=moment, by=by)
        assert open_sockets() <= before

    asyncio.run(run())
