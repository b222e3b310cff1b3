"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) as HTTP resources: endpoints `/whip/{name}` and `/whep/{name}`, and
their sessions one step below."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Literal

from aiohttp import hdrs, web
from multidict import CIMultiDict

from web.feeds import FeedError, FullError, Studio
from web.ice import links
from web.offers import check_publisher, check_viewer, parse_fragment, parse_offer
from web.packing import Packer
from web.peers import Peer
from web.refusal import Refusal, refusal_of
from web.settings import WebSettings
from web.whep import Viewer
from web.whip import Publisher

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"

ENDED_REMEMBERED = 256
"""Sessions that ended by themselves, whose DELETE is still to come: most clients hang up before they send it."""

Protocol = Literal["whip", "whep"]
_Handler = Callable[[web.Request], Awaitable[web.Response]]


class Signaling:
    """Publishers' and viewers' WebRTC sessions.

    Authorization, Host and Origin are for middleware around it. `aclose` ends every session; it may be called twice.
    Raises ValueError where the settings' STUN or TURN addresses are none.
    """

    def __init__(self, studio: Studio, settings: WebSettings) -> None:
        self._studio = studio
        self._settings = settings
        self._links = links(settings)
        self._packer = Packer()
        self._peers: dict[str, Peer] = {}
        self._ended: deque[str] = deque(maxlen=ENDED_REMEMBERED)
        self._closed = False

    def routes(self) -> list[web.RouteDef]:
        protocols: tuple[Protocol, ...] = ("whip", "whep")
        return [
            route
            for protocol in protocols
            for route in (
                web.route("*", f"/{protocol}/{{name}}", partial(self._endpoint, protocol)),
                web.route("*", f"/{protocol}/{{name}}/{{session}}", partial(self._session, protocol)),
            )
        ]

    async def aclose(self) -> None:
        """Ends every session within a moment."""
        self._closed = True
        await asyncio.gather(*(peer.aclose() for peer in list(self._peers.values())))

    async def _endpoint(self, protocol: Protocol, request: web.Request) -> web.Response:
        methods: dict[str, _Handler] = {
            hdrs.METH_POST: partial(self._begin, protocol),
            hdrs.METH_OPTIONS: self._tell_endpoint,
            hdrs.METH_GET: _tell_nothing,
            hdrs.METH_HEAD: _tell_nothing,
        }
        return await _dispatched(request, methods)

    async def _session(self, protocol: Protocol, request: web.Request) -> web.Response:
        key = request.match_info["session"]
        peer = self._peers.get(key)
        if key in self._ended and request.method == hdrs.METH_DELETE:
            self._ended.remove(key)
            return web.Response(status=HTTPStatus.OK)
        if peer is None or (peer.protocol, peer.name) != (protocol, request.match_info["name"]):
            return Refusal(HTTPStatus.NOT_FOUND, "there is no such session, or no longer: begin another").response()
        methods: dict[str, _Handler] = {
            hdrs.METH_PATCH: partial(self._trickle, peer),
            hdrs.METH_DELETE: partial(self._end, peer),
            hdrs.METH_OPTIONS: _tell_session,
            hdrs.METH_GET: _tell_nothing,
            hdrs.METH_HEAD: _tell_nothing,
        }
        return await _dispatched(request, methods)

    async def _begin(self, protocol: Protocol, request: web.Request) -> web.Response:
        """RFC 9725, section 4.2."""
        name = request.match_info["name"]
        self._check_room()
        if protocol == "whep":
            self._studio.status(name)
        offer = parse_offer(await _body(request, SDP, accept="Accept-Post"))
        if protocol == "whip":
            check_publisher(offer)
            peer: Peer = self._publisher(name)
        else:
            check_viewer(offer)
            peer = self._viewer(name)
        self._peers[peer.key] = peer
        try:
            answer = await peer.answer(offer)
        except BaseException:
            await peer.aclose()
            raise
        headers = CIMultiDict({"Location": f"{request.rel_url.raw_path}/{peer.key}", "ETag": peer.etag})
        headers["Accept-Patch"] = FRAGMENT
        headers.extend(("Link", link) for link in self._links)
        return web.Response(status=HTTPStatus.CREATED, body=answer.encode(), content_type=SDP, headers=headers)

    def _check_room(self) -> None:
        if self._closed:
            raise FullError("the server is ending: try again soon")
        if len(self._peers) >= self._settings.max_sessions:
            raise FullError("there are as many publishers and viewers as this server takes: try again later")

    def _publisher(self, name: str) -> Publisher:
        publishing = self._studio.publish(name)
        return Publisher(name, self._settings, publishing=publishing, on_closed=self._forget)

    def _viewer(self, name: str) -> Viewer:
        return Viewer(
            name,
            self._settings,
            viewing=self._studio.view(name),
            packer=self._packer,
            changes=partial(self._studio.changes, name),
            on_closed=self._forget,
        )

    async def _trickle(self, peer: Peer, request: web.Request) -> web.Response:
        """RFC 9725, section 4.3.1 and 4.3.2."""
        fragment = parse_fragment(await _body(request, FRAGMENT, accept="Accept-Patch"))
        _check_tag(peer, request)
        await peer.trickle(fragment)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _end(self, peer: Peer, request: web.Request) -> web.Response:
        await peer.aclose()
        if peer.key in self._ended:  # another DELETE may have been under way
            self._ended.remove(peer.key)
        return web.Response(status=HTTPStatus.OK)

    async def _tell_endpoint(self, request: web.Request) -> web.Response:
        headers = CIMultiDict({"Allow": "GET, HEAD, OPTIONS, POST", "Accept-Post": SDP})
        headers.extend(("Link", link) for link in self._links)
        return web.Response(headers=headers)

    def _forget(self, peer: Peer) -> None:
        if self._peers.pop(peer.key, None) is not None:
            self._ended.append(peer.key)


async def _dispatched(request: web.Request, methods: dict[str, _Handler]) -> web.Response:
    handler = methods.get(request.method)
    try:
        if handler is None:
            allowed = ", ".join(sorted(methods))
            detail = f"{request.method} means nothing here: use one of {allowed}"
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, detail, {"Allow": allowed})
        return await handler(request)
    except Refusal as refusal:
        return refusal.response()
    except FeedError as error:
        return refusal_of(error).response()


async def _tell_nothing(request: web.Request) -> web.Response:
    """RFC 9725, section 4.1: there is no representation, and a GET succeeds with no content."""
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def _tell_session(request: web.Request) -> web.Response:
    return web.Response(headers={"Allow": "DELETE, GET, HEAD, OPTIONS, PATCH", "Accept-Patch": FRAGMENT})


async def _body(request: web.Request, content_type: str, *, accept: str) -> str:
    """The body as text. A body beyond the server's limit raises HTTPRequestEntityTooLarge (413)."""
    if request.content_type != content_type:
        detail = f"the body is {request.content_type}: send {content_type}"
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, {accept: content_type})
    try:
        return (await request.read()).decode()
    except UnicodeDecodeError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the body is no text: send UTF-8") from error


def _check_tag(peer: Peer, request: web.Request) -> None:
    """Conditional requests as RFC 9725, section 4.3.1, has them.

    WHEP's draft says the same, and that the tag is optional where ICE restarts are not served, as here. Its authors'
    own player sends no If-Match, so a viewer may leave it out: the tag of its session never changes.
    """
    wanted = request.headers.get(hdrs.IF_MATCH)
    if wanted is None and peer.protocol == "whip":
        detail = "the request is not conditional: send If-Match with the ETag of the session"
        raise Refusal(HTTPStatus.PRECONDITION_REQUIRED, detail)
    if wanted is not None and not {"*", peer.etag} & {tag.strip() for tag in wanted.split(",")}:
        detail = "the entity tag is not this session's: send the one that came with the answer"
        raise Refusal(HTTPStatus.PRECONDITION_FAILED, detail)
