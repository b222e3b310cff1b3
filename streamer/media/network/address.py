"""Where a live source is: what was asked for, what FFmpeg opens, and what may be shown of it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from streamer.errors import UsageError

Kind = Literal["rtsp", "rtmp", "srt", "http", "hls", "device", "file"]

_KINDS: dict[str, Kind] = {
    "rtsp": "rtsp",
    "rtsps": "rtsp",
    "rtmp": "rtmp",
    "rtmps": "rtmp",
    "srt": "srt",
    "http": "http",
    "https": "http",
}
_PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443, "http": 80, "https": 443}
_DEVICE = re.compile(r"(?:v4l2:(?://)?)?(/dev/video\d+)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?=//)|file:|v4l2:")
# Some cameras take user and password in the path: rtsp://camera/user=admin_password=secret_channel=1
_SECRET = re.compile(
    r"(?i)((?:(?:pass|pwd|token|key|secret|auth|user|login)[a-z]*|(?<![a-z])[up])=)(?:(?![&/;,]|_[a-z]+=).)+"
)
_HIDDEN = "..."


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """`url`: what is opened, with its credentials; `shown`: the same for people, logs, the API and metrics, without
    them. `host`, `port`: of a network address, else "" and 0."""

    kind: Kind
    scheme: str
    url: str
    shown: str
    host: str = ""
    port: int = 0

    def at(self, ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Address:
        """The same source with its host's name replaced in what is opened, and not in what is shown."""
        known = urlsplit(self.url)
        login = known.netloc.rpartition("@")[0] + "@" if "@" in known.netloc else ""
        port = f":{known.port}" if known.port else ""
        netloc = f"{login}[{ip}]{port}" if ip.version == 6 else f"{login}{ip}{port}"
        return replace(self, url=self.url.replace(f"//{known.netloc}", f"//{netloc}", 1))

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return f"Address({self.shown})"


def parse(text: str) -> Address:
    """The address that a person wrote: a URL, a camera device (`/dev/video0`, `v4l2:/dev/video0`), or a local file to
    be played as if it were live (`file:clip.mp4`, or just its path).

    Raises UsageError, without any credentials, for what is none of these.
    """
    text = text.strip()
    if not text or any(ord(character) < 32 for character in text):
        raise UsageError("a source is an address such as rtsp://camera/stream, a device or a file")
    if device := _DEVICE.fullmatch(text):
        return Address("device", "v4l2", device[1], device[1])
    found = _SCHEME.match(text)
    scheme = found[0][:-1].lower() if found else "file"
    if scheme == "file":
        return _file(text[len(found[0]) :] if found else text)
    if scheme not in _KINDS:
        raise UsageError(f"sources can't be read by {scheme}:, only by {', '.join(_KINDS)}, v4l2 or file")
    return _remote(scheme, text)


def _file(name: str) -> Address:
    path = Path(name.removeprefix("//")).absolute()
    # A mistyped URL looks like a path: whatever in it may be a login stays unseen.
    return Address("file", "file", str(path), re.sub(r"[^/]*@", "", str(path)))


def _remote(scheme: str, text: str) -> Address:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port or _PORTS.get(scheme, 0)
    except ValueError as error:
        raise UsageError(_malformed(scheme)) from error
    # A password with a raw "/" ends the host too early, and the rest of it would be taken for the path.
    if not host or (parts.username is None and "@" in parts.path):
        raise UsageError(_malformed(scheme))
    if scheme == "srt" and not parts.port:
        raise UsageError("an srt: address needs a port, as in srt://camera:9000")
    kind = _KINDS[scheme]
    if kind == "http" and parts.path.lower().endswith((".m3u8", ".m3u")):
        kind = "hls"
    return Address(kind, scheme, text, _shown(scheme, parts, host), host, port)


def _malformed(scheme: str) -> str:
    return (
        f"the {scheme}: address makes no sense: write {scheme}://USER:PASSWORD@HOST:PORT/PATH, "
        "with %40 for @ and %2F for / in a password"
    )


def _shown(scheme: str, parts: SplitResult, host: str) -> str:
    name = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    query = f"?{_HIDDEN}" if parts.query else ""
    path = _SECRET.sub(rf"\1{_HIDDEN}", parts.path)
    return f"{scheme}://{name}{port}{path}{query}"
