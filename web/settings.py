"""The settings of this room."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def _hidden(secret: str) -> str:
    return "***" if secret else ""


_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")

# Whoever lists settings finds here how a secret one is told; nobody prints it by accident either.
_TOLD: Mapping[str, Any] = {"told_as": _hidden}


@dataclass(frozen=True, slots=True)
class WebSettings:
    """`host`, `port`: where the server listens. `token`: who comes must show it; empty for none. `open_to_all`: listen
    on other addresses than loopback without a token. `host_names`: further names, apart from `host` and loopback's,
    that a request may call this server by, with commas between. `cors_origins`: origins whose pages may publish and
    view, with commas between; by the token alone, where one is set.

    `stun`, `turn`: addresses (`stun:...`, `turn:...`) of servers that help through networks, empty for none;
    `turn_user`, `turn_password`. `gather_seconds`: the longest that finding addresses of one's own may take.
    `idle_seconds`: a peer that has been silent so long is gone. `max_body_bytes`: of a request.
    `max_sessions`: of publishers and viewers, all streams together. Raises ValueError where
    a value makes no sense.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str = field(default="", repr=False, metadata=_TOLD)
    open_to_all: bool = False
    host_names: str = ""
    cors_origins: str = ""
    stun: str = ""
    turn: str = ""
    turn_user: str = ""
    turn_password: str = field(default="", repr=False, metadata=_TOLD)
    gather_seconds: float = 2.0
    idle_seconds: float = 10.0
    max_body_bytes: int = 65536
    max_sessions: int = 256

    @property
    def origins(self) -> frozenset[str]:
        """`cors_origins` one by one."""
        return frozenset(origin.strip() for origin in self.cors_origins.split(",")) - {""}

    def __post_init__(self) -> None:
        for origin in self.origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f'cors_origins are such as "https://player.example:8443", not {origin!r}')
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port lies between 0 and 65535, not {self.port}")
        for name in ("gather_seconds", "idle_seconds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is more than 0, not {getattr(self, name)}")
        if self.max_body_bytes < 1024:
            raise ValueError(f"max_body_bytes is at least 1024, not {self.max_body_bytes}")
        if self.max_sessions < 1:
            raise ValueError(f"max_sessions is at least 1, not {self.max_sessions}")
