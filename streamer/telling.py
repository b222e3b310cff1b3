"""How streams stand, in lines for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from web.feeds import Status

Say = Callable[[str], None]


class StateTeller:
    """Says one line whenever a stream comes, changes its state, or goes."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._told: dict[str, tuple[str, str]] = {}

    def look(self, streams: Iterable[Status]) -> None:
        """To be called a few times a second with all streams."""
        now = {status["name"]: status for status in streams}
        for name in [name for name in self._told if name not in now]:
            del self._told[name]
            self._say(f"{name}: removed")
        for name, status in now.items():
            # A countdown in a message is no news.
            key = (status["state"], status["cause"])
            if self._told.get(name) != key:
                self._told[name] = key
                self._say(f"{name}: {state_words(status)}")


def state_words(status: Status) -> str:
    """The state of a stream, and why, in one line."""
    state, message = status["state"], status["message"]
    words = {
        "waiting": "waiting for somebody to publish",
        "connecting": f"connecting to {status['source']['address']}",
        "live": "live",
        "stalled": "connected, but no pictures come",
        "retrying": "not there, tried again by itself",
        "failed": "failed",
        "ended": "came to its end",
    }[state]
    if state == "live" and status["width"] is not None:
        words += f", {status['width']}x{status['height']} to {status['output_width']}x{status['output_height']}"
    if message and state != "connecting":
        words += f": {message}"
    return words
