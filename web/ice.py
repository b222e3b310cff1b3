"""Servers that help through networks, told to aiortc and to clients."""

from __future__ import annotations

from aiortc import RTCConfiguration, RTCIceServer
from aiortc.rtcicetransport import parse_stun_turn_uri

from web.settings import WebSettings


def ice_servers(settings: WebSettings) -> list[RTCIceServer]:
    """Raises ValueError where an address is none."""
    servers = []
    if settings.stun:
        servers.append(RTCIceServer(urls=_checked(settings.stun, "stun")))
    if settings.turn:
        turn = _checked(settings.turn, "turn")
        servers.append(RTCIceServer(urls=turn, username=settings.turn_user, credential=settings.turn_password))
    return servers


def configuration(settings: WebSettings) -> RTCConfiguration:
    # An empty list, because without one aiortc asks a public STUN server.
    return RTCConfiguration(iceServers=ice_servers(settings))


def links(settings: WebSettings) -> list[str]:
    """`Link` headers with STUN and TURN servers for the client (RFC 9725, section 4.6)."""
    return [_link(server) for server in ice_servers(settings)]


def _checked(address: str, scheme: str) -> str:
    try:
        parse_stun_turn_uri(address)
    except ValueError as error:
        raise ValueError(f'{scheme} is an address such as "{scheme}:host:3478", not {address!r}') from error
    return address


def _link(server: RTCIceServer) -> str:
    link = f'<{server.urls}>; rel="ice-server"'
    if server.username:
        user, password = _quoted(server.username), _quoted(server.credential or "")
        link += f'; username={user}; credential={password}; credential-type="password"'
    return link


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
