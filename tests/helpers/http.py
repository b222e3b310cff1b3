"""A running server, and HTTP spoken to it byte by byte, so that tests can send what no client would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.helpers.studio import DemoStudio
from web.server import Server
from web.settings import WebSettings

TOKEN = "correct-horse-battery-staple"
BEARER = {"Authorization": f"Bearer {TOKEN}"}

Headers = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """By lower-case name; of several, joined by a comma."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        assert self.headers["content-type"].startswith("application/problem+json"), self
        assert self.json["status"] == self.status
        detail = self.json["detail"]
        assert isinstance(detail, str)
        return detail


@dataclass(frozen=True, slots=True)
class Served:
    server: Server
    studio: DemoStudio

    @property
    def port(self) -> int:
        port = urlsplit(self.server.url).port
        assert port is not None
        return port

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, method: str, path: str, *, headers: Headers = (), body: bytes = b"") -> Answer:
        """One request on a connection of its own. It names the server in Host unless `headers` do otherwise."""
        return await self.send(request_bytes(method, path, headers=headers, body=body, host=f"127.0.0.1:{self.port}"))

    async def send(self, request: bytes) -> Answer:
        reader, writer = await self.connect()
        try:
            writer.write(request)
            return await answer(reader)
        finally:
            writer.close()
            await writer.wait_closed()

    async def post(self, value: object, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Adds a stream."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        return await self.ask("POST", "/api/streams", headers=sent, body=json.dumps(value).encode())


def request_bytes(method: str, path: str, *, headers: Headers, body: bytes, host: str) -> bytes:
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    names = {name.lower() for name, _ in pairs}
    if "host" not in names:
        pairs.insert(0, ("Host", host))
    if body and not names & {"content-length", "transfer-encoding"}:
        pairs.append(("Content-Length", str(len(body))))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs), "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


async def answer(reader: asyncio.StreamReader) -> Answer:
    """The answer to one request, up to the end of its connection."""
    status, headers = await head(reader)
    body = await reader.read()
    return Answer(status, headers, unchunked(body) if headers.get("transfer-encoding") == "chunked" else body)


async def head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers: dict[str, str] = {}
    for line in filter(None, lines):
        name, _, value = line.partition(":")
        known = headers.get(name.lower())
        headers[name.lower()] = f"{known}, {value.strip()}" if known else value.strip()
    return int(first.split()[1]), headers


def unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        whole, body = whole + rest[:length], rest[length + 2 :]
        if length == 0:
            break
    return whole


@asynccontextmanager
async def serving(*streams: str, settings: WebSettings | None = None, token: str = "") -> AsyncIterator[Served]:
    """A server on a free port with `streams` (one, "demo", where none is named), closed at the end."""
    studio = DemoStudio(*streams)
    server = Server(studio, settings or WebSettings(port=0, token=token))
    try:
        await server.start()
        yield Served(server, studio)
    finally:
        await server.aclose()
        await studio.aclose()
