"""The two edges of a stream: where frames come from and where they go."""

from __future__ import annotations

from typing import Protocol

from streamer.frame import Frame


class EndOfStream(Exception):  # noqa: N818 - an ending, not an error
    """A source has no more frames; not an error."""


class FrameSource(Protocol):
    """Gives frames in presentation order. `recv` raises EndOfStream after the last one. `aclose` may be called twice
    and in every state."""

    async def recv(self) -> Frame: ...

    async def aclose(self) -> None: ...


class FrameSink(Protocol):
    """Takes frames in presentation order. `finish` writes what is left and makes the result final; `aclose` without it
    leaves nothing behind, and may be called twice and in every state."""

    async def send(self, frame: Frame) -> None: ...

    async def finish(self) -> None: ...

    async def aclose(self) -> None: ...


def ignore(_seconds: float) -> None:
    """The default of whoever could be told how long something took."""
