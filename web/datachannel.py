"""What the page is told of each picture, and what it tells: JSON texts over the data channel "facelane"."""

from __future__ import annotations

import json
import time
from typing import Any

from aiortc import RTCDataChannel

from web.feeds import Layout, Status, Viewing
from web.packing import PackedPicture

LABEL = "facelane"

MAX_MESSAGE_CHARS = 4096
MAX_BUFFERED_BYTES = 65536
_MAX_GLASS_MS = 60_000


class PageChannel:
    """Serves one viewer's channel until either side closes it."""

    def __init__(self, channel: RTCDataChannel, viewing: Viewing) -> None:
        self._channel = channel
        self._viewing = viewing
        self._told: Status | None = None
        channel.on("message", self._receive)

    def picture(self, packed: PackedPicture, rtp: int) -> None:
        """`rtp`: the timestamp that the picture left with. Left out where the channel can't keep up."""
        picture = packed.picture
        # Put together by hand, because the facts are JSON already, made once for all viewers.
        head = json.dumps(
            {
                "type": "picture",
                "rtp": rtp,
                "captured": _ms(picture.captured_at),
                "sent": _ms(time.monotonic()),
                "rendition": picture.rendition,
                "layout": _layout(picture.layout),
            }
        )
        self._send(f'{head[:-1]}, "facts": {packed.facts}}}')

    def status(self, status: Status) -> None:
        if status != self._told and self._send(json.dumps({"type": "status", "status": dict(status)})):
            self._told = status

    def _send(self, text: str) -> bool:
        if self._channel.readyState != "open" or self._channel.bufferedAmount > MAX_BUFFERED_BYTES:
            return False
        self._channel.send(text)
        return True

    def _receive(self, message: str | bytes) -> None:
        received_at = time.monotonic()
        told = _parsed(message)
        match told.get("type"):
            case "ping":
                self._pong(told, received_at)
            case "choose" if told.get("rendition") in ("enhanced", "compare"):
                self._viewing.choose(told["rendition"])
            case "shown":
                self._shown(told.get("glass_ms"))

    def _pong(self, ping: dict[str, Any], received_at: float) -> None:
        echo = {key: ping[key] for key in ("id", "client") if isinstance(ping.get(key), int | float | str)}
        pong = {"type": "pong", **echo}
        self._send(json.dumps({**pong, "server_received": _ms(received_at), "server_sent": _ms(time.monotonic())}))

    def _shown(self, glass_ms: object) -> None:
        if isinstance(glass_ms, int | float) and 0 <= glass_ms < _MAX_GLASS_MS:
            self._viewing.shown(glass_ms / 1000)


def _parsed(message: str | bytes) -> dict[str, Any]:
    """The message, or nothing where it is none of ours: a stranger's words end no session."""
    if not isinstance(message, str) or len(message) > MAX_MESSAGE_CHARS:
        return {}
    try:
        told = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _layout(layout: Layout) -> dict[str, Any]:
    parts = {"width": layout.width, "height": layout.height, "enhanced": layout.enhanced}
    return {**parts, "original": layout.original}


def _ms(at: float) -> float:
    return round(at * 1000, 3)
