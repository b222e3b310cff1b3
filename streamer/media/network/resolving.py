"""From host names to addresses, each of them looked at before anything is connected to."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from typing import Protocol

from streamer.live.ports import Cause
from streamer.media.network.address import Address
from streamer.media.network.failure import failure

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_PINNED = frozenset({"rtsp", "srt"})
_PROBE_SECONDS = 1.0


class Policy(Protocol):
    """Who says which addresses may be connected to (`SourcePolicy`)."""

    def check_words(self, address: Address) -> None: ...

    def check(self, host: str, ip: IpAddress) -> None: ...


def check_reachable(address: Address, policy: Policy | None, *, must_resolve: bool = True) -> list[IpAddress]:
    """The addresses of a source's host, all of them allowed.

    Raises Failure where there are none and `must_resolve`, and what `policy` raises.
    """
    if policy is not None:
        policy.check_words(address)
    try:
        return resolved(address.host, address.port, policy)
    except (OSError, UnicodeError):
        if must_resolve:
            raise failure(Cause.NETWORK, address, detail="no such host") from None
        return []


def pinned(address: Address, policy: Policy | None) -> Address:
    """The source as FFmpeg may open it: where there is a `policy`, RTSP and SRT by an address that it allowed, so that
    FFmpeg asks no name server again. RTMP tells its server the name in the address (`tcUrl`), and TLS needs it for the
    certificate: those keep it. Raises as `check_reachable`."""
    ips = check_reachable(address, policy)
    if policy is None or address.scheme not in _PINNED:
        return address
    ip = _answering(ips, address)
    # A link-local IPv6 address means nothing without its zone, which only the name's own look-up knows.
    return address if ip.version == 6 and ip.is_link_local else address.at(ip)


def _answering(ips: list[IpAddress], address: Address) -> IpAddress:
    """The first that takes connections, as FFmpeg would find it; else the first, for FFmpeg to say what is wrong."""
    different = list(dict.fromkeys(ips))
    if len(different) > 1 and address.scheme == "rtsp":
        for ip in different:
            with contextlib.suppress(OSError), socket.create_connection((str(ip), address.port), _PROBE_SECONDS):
                return ip
    return different[0]


def resolved(host: str, port: int, policy: Policy | None) -> list[IpAddress]:
    """The addresses of a name. Raises OSError or UnicodeError where there are none, and what `policy` raises."""
    found = socket.getaddrinfo(host, port or None, type=socket.SOCK_STREAM)
    ips = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if policy is not None:
        for ip in ips:
            policy.check(host, ip)
    return ips


def unmapped(ip: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 one stands for (mapped, 6to4 or NAT64), else the same."""
    if not isinstance(ip, ipaddress.IPv6Address):
        return ip
    if ip in ipaddress.IPv6Network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip
