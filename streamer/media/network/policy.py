"""Which sources may be asked for over the API, where anybody may ask."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from streamer.errors import UsageError
from streamer.media.network.address import Address, parse
from streamer.media.network.resolving import IpAddress, check_reachable, unmapped
from streamer.media.network.settings import NetworkSettings


class SourceDeniedError(UsageError):
    """The settings don't allow this source over the API."""


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """`schemes`: those allowed; devices and files never are. `hosts`: names (".camera.lan" stands for all below it),
    addresses and networks ("10.1.0.0/16"); empty for all. `allow_private`: also loopback, link-local and private
    networks, and what else is not out in the open; what `hosts` names by address or network is allowed anyway.

    Names are resolved and every address is looked at, when a source is added and again before each connection. The
    address that was looked at is the one connected to for RTSP, SRT, HTTP and HLS, and the same is asked of every HTTP
    redirect and every part of a playlist. FFmpeg itself resolves the names of RTMP, RTMPS and RTSPS: a name server that
    changes its answer within those milliseconds can still lead it to another address; and so can an RTSP server that
    redirects, though to no other protocol. Where that matters, leave rtsp, rtsps, rtmp and rtmps out of `schemes`, or
    let a firewall decide.
    """

    schemes: frozenset[str] = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "srt", "http", "https"})
    hosts: tuple[str, ...] = ()
    allow_private: bool = False

    @classmethod
    def of(cls, settings: NetworkSettings) -> SourcePolicy:
        hosts = tuple(settings.api_hosts.lower().split())
        return cls(frozenset(settings.api_schemes.lower().split()), hosts, settings.api_private)

    def admit(self, text: str) -> Address:
        """The address of a source that somebody asked for. Resolves names, so it blocks.

        Raises SourceDeniedError where it isn't allowed, UsageError where it makes no sense. A name that can't be
        resolved yet is let pass: it is asked for again before each connection.
        """
        address = parse(text)
        self.check_words(address)
        check_reachable(address, self, must_resolve=False)
        return address

    def check_words(self, address: Address) -> None:
        """Raise SourceDeniedError where scheme or host alone say no."""
        if address.kind in ("device", "file") or address.scheme not in self.schemes:
            allowed = ", ".join(sorted(self.schemes)) or "none"
            raise SourceDeniedError(
                f"{address.scheme} sources can't be added here, only {allowed}: name others when the server is started,"
                " or in [[streams]] of its settings"
            )
        if self.hosts and not self._is_named(address.host.lower()) and not self._networks():
            raise SourceDeniedError(f"{address.host} is not among the hosts that [network] api_hosts allows")

    def check(self, host: str, ip: IpAddress) -> None:
        """Raise SourceDeniedError where `host`, which resolved to `ip`, may not be connected to."""
        ip = unmapped(ip)
        if any(ip in network for network in self._networks() if network.version == ip.version):
            return
        if self.hosts and not self._is_named(host.lower()):
            raise SourceDeniedError(f"{host} is not among the hosts that [network] api_hosts allows")
        if not self.allow_private and (not ip.is_global or ip.is_multicast):
            raise SourceDeniedError(
                f"{host} is in a private network: start the server with FACELANE_NETWORK__API_PRIVATE=true to allow"
                " that, or name its address in [network] api_hosts"
            )

    def _is_named(self, host: str) -> bool:
        return any(host == name or (name.startswith(".") and host.endswith(name)) for name in self.hosts)

    def _networks(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        networks = []
        for name in self.hosts:
            try:
                networks.append(ipaddress.ip_network(name, strict=False))
            except ValueError:
                continue  # a name, which `_is_named` looks at
        return networks
