"""The live service: streams, what they share, and the web server before them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import NoReturn
from urllib.parse import urlsplit

from streamer.aio import Interrupted, run_interruptible
from streamer.config import Settings
from streamer.entries import StreamEntry
from streamer.errors import EXIT_BY_SIGNAL, ListenError, UsageError
from streamer.live.conductor import Conductor
from streamer.live.ports import LiveSource
from streamer.live.studio import LiveStudio
from streamer.machinery import LiveMachinery, Say, make_store
from streamer.media.network.address import parse
from streamer.media.network.policy import SourcePolicy
from streamer.media.network.source import NetworkSource
from streamer.metrics import LiveMetrics
from streamer.readiness import check_ready
from streamer.telling import StateTeller
from web.feeds import FeedError
from web.server import CannotListenError, Server
from web.settings import WebSettings
from weights.store import Store

_LOOK_SECONDS = 0.25
# A machine's own address towards others is known once a socket is set up for some of theirs; nothing is sent.
_ELSEWHERE = ("192.0.2.1", 9)


def serve(settings: Settings, streams: Sequence[StreamEntry], *, say: Say) -> int:
    """Serves the streams of the settings, and `streams`, until a signal ends it; returns the exit code for that. Only
    for the main thread.

    `say` is told where the page is, and a line whenever a stream changes its state. Raises UsageError for settings that
    can't be, ListenError where the address can't be had, and as `check_ready` and `load_models` where the networks
    can't.
    """
    store = make_store(settings, say)
    # Nobody is to open a page that is gone a moment later.
    check_ready(settings, store)
    try:
        run_interruptible(_serve(settings, (*settings.streams, *streams), store, say))
    except Interrupted as ending:
        say(f"ended by {ending.number.name}: all streams are closed")
        return EXIT_BY_SIGNAL + ending.number
    raise AssertionError("a service ends by a signal or an error")


async def _serve(settings: Settings, streams: Sequence[StreamEntry], store: Store, say: Say) -> None:
    """Whatever is opened is closed again in every ending: the server with its peers, then the streams."""
    async with AsyncExitStack() as stack:
        machinery = LiveMachinery(settings, store)
        stack.callback(machinery.close)
        studio = _make_studio(settings, machinery)
        stack.push_async_callback(studio.aclose)
        # The studio waits for networks that are being loaded: no longer than need be.
        stack.callback(machinery.stop)
        server = _make_server(studio, settings.web)
        stack.push_async_callback(server.aclose)
        await _start(server)
        for entry in streams:
            _add(studio, entry)
        machinery.begin()
        for line in _addresses(settings.web, server.url):
            say(line)
        say("preparing the networks: until that is done, no picture is shown")
        await _tell(studio, machinery, say)


def _make_studio(settings: Settings, machinery: LiveMachinery) -> LiveStudio:
    policy = SourcePolicy.of(settings.network)

    def open_source(address: str, *, trusted: bool) -> LiveSource:
        if trusted:
            return NetworkSource(parse(address), settings.network)
        return NetworkSource(policy.admit(address), settings.network, policy=policy)

    return LiveStudio(
        settings.live,
        conductor=Conductor(machinery.prepare),
        metrics=LiveMetrics(),
        make_way=machinery.make_way,
        open_source=open_source,
        most_scale=settings.scale,
    )


def _make_server(studio: LiveStudio, settings: WebSettings) -> Server:
    try:
        return Server(studio, settings)
    except ValueError as error:
        raise UsageError(f"setting web: {error}") from error


async def _start(server: Server) -> None:
    try:
        await server.start()
    except CannotListenError as error:
        raise ListenError(str(error)) from error


def _add(studio: LiveStudio, entry: StreamEntry) -> None:
    try:
        if entry.source:
            studio.add_trusted(entry.name, entry.source)
        else:
            studio.add_published(entry.name)
    except FeedError as error:
        raise UsageError(f"stream {entry.name}: {error}") from error


async def _tell(studio: LiveStudio, machinery: LiveMachinery, say: Say) -> NoReturn:
    """Says how the streams stand for as long as the service runs. Raises what kept the networks from being loaded."""
    teller = StateTeller(say)
    is_ready = False
    while True:
        if machinery.failure is not None:
            raise machinery.failure
        if not is_ready and not studio.not_ready():
            is_ready = True
            say("the networks are ready")
        teller.look(studio.streams())
        await asyncio.sleep(_LOOK_SECONDS)


def _addresses(settings: WebSettings, url: str) -> list[str]:
    """Where to find the page, in lines for people."""
    lines = [f"open {url} in a browser"]
    if settings.host in ("", "0.0.0.0", "::"):
        port = urlsplit(url).port
        lines = [f"open {url} in a browser here"]
        lines += [f"open http://{name}:{port} elsewhere in the network" for name in _own_addresses()]
    if settings.token:
        lines.append("it asks for the token that is set")
    return [*lines, "Ctrl-C ends the service"]


def _own_addresses() -> list[str]:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_ELSEWHERE)
        return [str(probe.getsockname()[0])]
    return []
