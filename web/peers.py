"""One WebRTC session, from its offer to its end; what publishers and viewers have in common."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from http import HTTPStatus
from typing import Any

from aiortc import RTCIceCandidate, RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import OperationError

from web.aiortc_hooks import be_dtls_server, limit_gathering, packets_received
from web.ice import configuration
from web.offers import MAX_CANDIDATES, Fragment, Offer
from web.refusal import RETRY_SECONDS, Refusal
from web.security import is_loopback
from web.settings import WebSettings

logger = logging.getLogger(__name__)

WATCH_SECONDS = 0.5
CLOSE_SECONDS = 3.0


class Peer:
    """`key` names it in its address and can't be guessed; `etag` names its ICE session. It closes itself when the other
    side is gone, silent for `idle_seconds`, or doesn't connect within that time; `on_closed` is called once."""

    kind = "peer"
    protocol = ""

    def __init__(self, name: str, settings: WebSettings, *, on_closed: Callable[[Peer], None]) -> None:
        self.name = name
        self.key = secrets.token_urlsafe(24)
        self.etag = f'"{secrets.token_hex(8)}"'
        self.connection = RTCPeerConnection(configuration(settings))
        self._settings = settings
        self._on_closed = on_closed
        self._ufrag = ""
        self._candidates_left = MAX_CANDIDATES
        self._tasks: set[asyncio.Task[None]] = set()
        self._negotiating: asyncio.Task[str] | None = None
        self._closing: asyncio.Task[None] | None = None

    async def answer(self, offer: Offer) -> str:
        """The answer, with all addresses that were found in time. Raises Refusal.

        Whoever gives up waiting doesn't stop the negotiation: aiortc would lose the sockets that it has just opened.
        `aclose` waits for it.
        """
        if self._closing is None:
            self._negotiating = asyncio.ensure_future(self._negotiated(offer))
            answer = await asyncio.shield(self._negotiating)
            if self._closing is None:
                return answer
        detail = "the session was ended while it began: try again"
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": str(RETRY_SECONDS)})

    async def trickle(self, fragment: Fragment) -> None:
        """Raises Refusal where it asks for an ICE restart, which aiortc can't do."""
        if fragment.ufrags - {self._ufrag}:
            detail = "ICE restarts are not served here: end this session and begin another"
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
        await self._add(fragment.candidates)

    def prepare(self, offer: Offer) -> None:
        """Adds transceivers for the offer's media."""
        raise NotImplementedError

    def connect(self) -> None:
        """Media's own wiring, when the offer is known to fit."""
        raise NotImplementedError

    def amend(self, answer: str) -> str:
        """The answer as the client gets it."""
        return answer

    def codecs_wanted(self) -> str:
        """What an offer without a common codec is told."""
        raise NotImplementedError

    def let_go(self) -> None:
        """Gives back what the media came from or went to; may be called twice."""
        raise NotImplementedError

    def spawn(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """Runs `work` until it ends or the session does; a failure ends the session."""
        if self._closing is not None:
            work.close()
            return
        task = asyncio.ensure_future(work)
        task.set_name(f"{self.kind} {self.name}: {what}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def close(self, why: str) -> None:
        """Ends the session soon."""
        if self._closing is None:
            logger.info("%s of %s ended: %s", self.kind, self.name, why)
            self._closing = asyncio.ensure_future(self._close())

    async def aclose(self) -> None:
        """Ends the session now; may be called twice."""
        self.close("asked for")
        assert self._closing is not None
        await asyncio.shield(self._closing)

    async def _negotiated(self, offer: Offer) -> str:
        self._ufrag = offer.ufrag
        self.prepare(offer)
        try:
            await self.connection.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        except OperationError as error:
            raise Refusal(HTTPStatus.NOT_ACCEPTABLE, self.codecs_wanted()) from error
        except ValueError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"the offer can't be used: {error}") from error
        limit_gathering(
            self.connection, seconds=self._settings.gather_seconds, loopback=is_loopback(self._settings.host)
        )
        if all(media.dtls and media.dtls.role == "auto" for media in offer.media):
            be_dtls_server(self.connection)
        self.connect()
        self.connection.on("connectionstatechange", self._state_changed)
        await self.connection.setLocalDescription()
        await self._add(offer.candidates)
        self.spawn(self._watch(), "watch")
        # RFC 9725, section 4.4.1; aiortc knows no such attribute.
        sdp = self.connection.localDescription.sdp.replace("a=rtcp-mux\r\n", "a=rtcp-mux\r\na=rtcp-mux-only\r\n")
        return self.amend(sdp)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s failed", task.get_name(), exc_info=error)
            self.close("it failed")

    async def _close(self) -> None:
        self.let_go()
        self._on_closed(self)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._negotiating is not None:
            # Its sockets are known to the connection, and closed with it, when it is through.
            await asyncio.gather(self._negotiating, return_exceptions=True)
        try:
            await asyncio.wait_for(self.connection.close(), CLOSE_SECONDS)
        except TimeoutError:
            logger.warning("%s of %s did not let go of its connection", self.kind, self.name)

    async def _add(self, candidates: Sequence[RTCIceCandidate]) -> None:
        # Ends of candidates are not passed on: a client whose candidates are all of no use may still come by itself.
        taken = candidates[: self._candidates_left]
        self._candidates_left -= len(taken)
        for candidate in taken:
            await self.connection.addIceCandidate(candidate)

    def _state_changed(self) -> None:
        state = self.connection.connectionState
        if state in ("failed", "closed"):
            self.close(f"the connection {state}")

    async def _watch(self) -> None:
        seen, heard_at = 0, time.monotonic()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            now, count = time.monotonic(), packets_received(self.connection)
            if count != seen:
                seen, heard_at = count, now
            elif now - heard_at > self._settings.idle_seconds:
                self.close(f"silent for {self._settings.idle_seconds:g} s" if seen else "it never connected")
                return
