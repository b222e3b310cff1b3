"""What this room needs of whoever makes the streams, as protocols of its own; and what may go wrong there.

Times named `..._at` are monotonic seconds (`time.monotonic`) of this process. All methods are called on the event loop
and must return at once, unless they are coroutines or say otherwise.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import av

Status = Mapping[str, Any]
"""A stream as JSON can hold it; `web/openapi.json` (schema Stream) describes it field by field."""

Rendition = Literal["enhanced", "compare"]
"""What a viewer sees: the enhanced picture; or that with the original at its own size packed below (see `Layout`)."""


LostPackets = Literal["picture", "sound", "sound_late"]
"""RTP packets of a publisher: of pictures or sound, that never came; or of sound, that came too late to be in order."""

LostPictures = Literal["no_key_frame", "undecodable", "catching_up"]
"""Why a publisher's pictures were not decoded: what they build on was lost; decoding failed; it was behind, and goes on
with the next key frame."""


class FeedError(Exception):
    """Root of this room. `status`: the HTTP status that tells it; the message is one line and says what to do."""

    status: ClassVar[int] = 500


class UnknownStreamError(FeedError):
    status = 404


class NameTakenError(FeedError):
    """A stream of this name exists, or somebody publishes to it already."""

    status = 409


class BadRequestError(FeedError):
    """A name or source that makes no sense."""

    status = 400


class SourceRefusedError(FeedError):
    """A source that the settings don't allow over the API."""

    status = 403


class FullError(FeedError):
    """No room for one more stream or viewer."""

    status = 503


class BrokenError(FeedError):
    """The stream is there, and can't be shown for now."""

    status = 503


@dataclass(frozen=True, slots=True)
class Layout:
    """Where in a coded picture of `width` x `height` pixels what lies. `enhanced`, `original`: (x, y, width, height) in
    pixels; `original` is None in the rendition "enhanced"."""

    width: int
    height: int
    enhanced: tuple[int, int, int, int]
    original: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPicture:
    """One H.264 access unit, Annex B, with its parameter sets before every key frame.

    `pts`: 90 kHz, rising, the same clock as the sound's; counts capture times, not departures. `captured_at`: when the
    picture was taken, as well as the source lets one know. `facts`: what the page may be told of this picture
    (`PictureFacts.as_json`), the same object for all viewers.
    """

    data: bytes
    pts: int
    is_key: bool
    seq: int
    captured_at: float
    rendition: Rendition
    layout: Layout
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class EncodedSound:
    """One Opus packet. `pts`: 48 kHz, of the pictures' clock: pts / 48000 and a picture's pts / 90000 are the same
    moment of capture."""

    data: bytes
    pts: int
    captured_at: float


class Viewing(Protocol):
    """One viewer's end of a stream. It buffers no more than a moment: who reads too slowly loses pictures up to the
    next key frame, and never slows another."""

    @property
    def has_sound(self) -> bool: ...

    async def picture(self) -> EncodedPicture:
        """The next picture; the first is a key frame. Raises EndOfFeed when the stream was removed."""
        ...

    async def sound(self) -> EncodedSound:
        """The next packet. None is kept before the first call, so that sound begins with what is captured then."""
        ...

    def need_key(self) -> None:
        """The viewer can't go on without a key frame. May be called as often as viewers ask."""
        ...

    def choose(self, rendition: Rendition) -> None:
        """Pictures of this rendition from its next key frame on."""
        ...

    def shown(self, glass_seconds: float) -> None:
        """A viewer's page measured from capture to being shown so long."""
        ...

    def close(self) -> None:
        """The viewer is gone; may be called twice."""
        ...


class EndOfFeed(Exception):  # noqa: N818 - an ending, not an error
    """The stream was removed."""


class Publishing(Protocol):
    """Where a publisher's media goes. `media_seconds`: the publisher's own clock, one for sound and picture."""

    def picture(
        self, picture: av.VideoFrame, *, media_seconds: float, arrived_at: float, decode_seconds: float
    ) -> None: ...

    def sound(self, opus: bytes, *, samples: int, media_seconds: float, arrived_at: float) -> None:
        """One Opus packet as it came; `samples`: its duration at 48 kHz."""
        ...

    def lost(self, why: LostPictures, count: int = 1) -> None:
        """Pictures that were not decoded."""
        ...

    def packets_lost(self, kind: LostPackets, count: int = 1) -> None: ...

    async def ended(self) -> str:
        """Returns when nothing more is taken, with why, in one line: the stream was removed."""
        ...

    def close(self) -> None:
        """The publisher is gone; may be called twice."""
        ...


class Studio(Protocol):
    """All streams, as the server needs them."""

    def streams(self) -> Sequence[Status]: ...

    def status(self, name: str) -> Status:
        """Raises UnknownStreamError."""
        ...

    def changes(self, name: str) -> AsyncIterator[Status]:
        """The status now, then whenever it changes, at least once a second; ends when the stream is removed. Raises
        UnknownStreamError at once."""
        ...

    async def add(self, name: str, source: str) -> Status:
        """Raises BadRequestError, NameTakenError, SourceRefusedError, FullError."""
        ...

    async def remove(self, name: str) -> None:
        """Raises UnknownStreamError."""
        ...

    def view(self, name: str, rendition: Rendition = "enhanced") -> Viewing:
        """Raises UnknownStreamError, FullError, BrokenError."""
        ...

    def publish(self, name: str) -> Publishing:
        """Opens the stream `name` for a publisher, making it if need be. Raises BadRequestError, NameTakenError,
        FullError."""
        ...

    def not_ready(self) -> Sequence[str]:
        """Why the service can't do its work now, one line each; empty where it can."""
        ...

    def metrics(self) -> bytes:
        """In Prometheus' text format, version 0.0.4. Called on a thread of its own, since it takes milliseconds."""
        ...
