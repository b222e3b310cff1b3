"""Live events for browsers and scripts: server-sent events, as the WHATWG HTML standard has them (section 9.2)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from web.feeds import FullError, Status, Studio

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
LIST_SECONDS = 1.0
RETRY_MS: Final = 2000
WRITE_SECONDS = 10.0
MAX_LISTENERS = 64

_HEADERS: Final = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Events:
    """`/api/events` and `/api/streams/{name}/events`. No more than `MAX_LISTENERS` at a time; a comment every
    `HEARTBEAT_SECONDS` where nothing else is to say, so that proxies keep the connection. `listeners`: how many."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self.listeners = 0
        self._closing = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/events", self.all_streams, allow_head=False),
            web.get("/api/streams/{name}/events", self.one_stream, allow_head=False),
        ]

    def close(self) -> None:
        """Ends all of them."""
        self._closing.set()

    async def one_stream(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self._studio.status(name)  # an unknown name is told as an error, not as a stream that ends
        changes = self._studio.changes(name)
        return await self._serve(request, changes, event="status", last=("removed", {"name": name}))

    async def all_streams(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, self._lists(), event="streams")

    async def _lists(self) -> AsyncIterator[Status]:
        while True:
            yield {"streams": list(self._studio.streams())}
            await asyncio.sleep(LIST_SECONDS)

    async def _serve(
        self, request: web.Request, items: AsyncIterator[Status], *, event: str, last: tuple[str, Status] | None = None
    ) -> web.StreamResponse:
        if self.listeners >= MAX_LISTENERS:
            raise FullError(f"{MAX_LISTENERS} listen to events already: close one, or ask /api/streams now and then")
        self.listeners += 1
        outlet = _Outlet(request)
        try:
            await outlet.open()
            ended = await self._relay(items, outlet, event=event)
            if ended and last is not None:
                await outlet.send(*last)
        except TimeoutError:
            logger.debug("a listener to events reads too slowly and is let go")
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            logger.debug("a listener to events is gone")
        finally:
            self.listeners -= 1
        return outlet.response

    async def _relay(self, items: AsyncIterator[Status], outlet: _Outlet, *, event: str) -> bool:
        """Sends all that comes. True where `items` came to their end, False where the server closes."""
        closing = asyncio.ensure_future(self._closing.wait())
        upcoming = asyncio.ensure_future(_next(items))
        try:
            while True:
                done, _ = await asyncio.wait(
                    (closing, upcoming), timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if closing in done:
                    return False
                if upcoming not in done:
                    await outlet.comment("alive")
                    continue
                item = upcoming.result()
                if item is None:
                    return True
                await outlet.send(event, item)
                upcoming = asyncio.ensure_future(_next(items))
        finally:
            await _cancel(closing, upcoming)
            await _close(items)


class _Outlet:
    """One listener's connection."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.response = web.StreamResponse(headers=_HEADERS)

    async def open(self) -> None:
        await self.response.prepare(self._request)
        await self._write(f"retry: {RETRY_MS}\n\n")

    async def send(self, event: str, data: Mapping[str, Any]) -> None:
        text = json.dumps(data, separators=(",", ":"), allow_nan=False)
        await self._write(f"event: {event}\ndata: {text}\n\n")

    async def comment(self, text: str) -> None:
        await self._write(f": {text}\n\n")

    async def _write(self, text: str) -> None:
        async with asyncio.timeout(WRITE_SECONDS):
            await self.response.write(text.encode())


async def _next(items: AsyncIterator[Status]) -> Status | None:
    return await anext(items, None)


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _close(items: AsyncIterator[Status]) -> None:
    aclose: Callable[[], Awaitable[None]] | None = getattr(items, "aclose", None)
    if aclose is not None:
        await aclose()
