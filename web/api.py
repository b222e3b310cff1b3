"""The API for programs: streams to list, add and remove, the document that describes it, health and metrics."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from web.feeds import BadRequestError, Studio
from web.problems import error

DOCUMENT: Final = Path(__file__).parent / "openapi.json"
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
MAX_SOURCE: Final = 2048

_PRINTABLE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+")

_dumps = partial(json.dumps, separators=(",", ":"), allow_nan=False)


class Api:
    """`/api/...` except the events, `/metrics`, `/healthz` and `/readyz`."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._document = DOCUMENT.read_bytes()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/streams", self.list_streams),
            web.post("/api/streams", self.add_stream),
            web.get("/api/streams/{name}", self.show_stream),
            web.delete("/api/streams/{name}", self.remove_stream),
            web.get("/api/openapi.json", self.document),
            web.get("/metrics", self.metrics),
            web.get("/healthz", self.alive),
            web.get("/readyz", self.ready),
        ]

    async def list_streams(self, request: web.Request) -> web.Response:
        return _json({"streams": list(self._studio.streams())})

    async def add_stream(self, request: web.Request) -> web.Response:
        name, source = await _wanted_stream(request)
        status = await self._studio.add(name, source)
        return _json(status, status=201, headers={"Location": f"/api/streams/{quote(name, safe='')}"})

    async def show_stream(self, request: web.Request) -> web.Response:
        return _json(self._studio.status(request.match_info["name"]))

    async def remove_stream(self, request: web.Request) -> web.Response:
        await self._studio.remove(request.match_info["name"])
        return web.Response(status=204)

    async def document(self, request: web.Request) -> web.Response:
        return web.Response(body=self._document, content_type="application/json")

    async def metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=await asyncio.to_thread(self._studio.metrics), headers={"Content-Type": METRICS_TYPE})

    async def alive(self, request: web.Request) -> web.Response:
        """That this answers is all that it says."""
        return web.Response(text="ok\n")

    async def ready(self, request: web.Request) -> web.Response:
        reasons = list(self._studio.not_ready())
        return _json({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)


def _json(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response(value, status=status, headers=headers, dumps=_dumps)


async def _wanted_stream(request: web.Request) -> tuple[str, str]:
    """Name and source out of the body. Raises HTTP 415, BadRequestError."""
    if request.content_type != "application/json":
        raise error(415, "send the stream as JSON, with Content-Type: application/json")
    body = _parsed(await request.read())
    if not isinstance(body, dict) or set(body) != {"name", "source"}:
        raise BadRequestError('send an object of exactly two texts: {"name": ..., "source": ...}')
    return _text(body, "name"), _text(body, "source")


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequestError("the body can't be read as JSON: send an object in UTF-8") from None


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body[key]
    if not isinstance(value, str) or len(value) > MAX_SOURCE or not _PRINTABLE.fullmatch(value):
        raise BadRequestError(f"{key} is a text of 1 to {MAX_SOURCE} characters, without control characters")
    return value
