"""Between a live source and the stream that it feeds: what is handed over, and what is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from streamer.frame import Frame

if TYPE_CHECKING:
    from streamer.live.facts import PictureFacts
    from web.feeds import LostPackets, Rendition, Viewing


class SourceState(StrEnum):
    """Where a live source stands. Only LIVE and STALLED have a connection."""

    WAITING = "waiting"  # nobody publishes yet, or any more
    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"  # connected, but no picture for a while
    RETRYING = "retrying"  # lost or not there; it will be tried again by itself
    FAILED = "failed"  # nothing will change unless a person does something; tried again all the same, seldom
    ENDED = "ended"  # a source with an end came to it


class Cause(StrEnum):
    """Why a source is not live. Fixed words: they are metrics' labels."""

    NONE = "none"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    NOT_FOUND = "not_found"
    UNAUTHORISED = "unauthorised"
    CODEC = "codec"  # connected, but no video in it that can be decoded
    CLOSED = "closed"  # the other side ended it
    NETWORK = "network"  # unreachable, no such host, broken on the way
    DEVICE = "device"  # a camera device that isn't there or is in use
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """`message`: one line for people, without credentials; says what to do where something can be done. `retry_at`:
    monotonic seconds of the next try, None where none is planned."""

    state: SourceState
    cause: Cause = Cause.NONE
    message: str = ""
    retry_at: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SoundPacket:
    """One Opus packet of `samples` samples at 48 kHz, captured at `captured_at` (monotonic seconds, by the same clock
    as the pictures)."""

    data: bytes
    samples: int
    captured_at: float


class Inlet(Protocol):
    """What a live source feeds. Every method may be called on any thread, returns at once and raises nothing."""

    def picture(self, frame: Frame, *, decode_seconds: float) -> None:
        """A decoded frame. Its `captured_at` is when it was taken, as well as the source lets one know, on a clock that
        is smooth (a constant rate gives constant steps); its `pts` never falls."""
        ...

    def sound(self, packet: SoundPacket) -> None: ...

    def status(self, status: SourceStatus) -> None: ...

    def dropped(self, reason: str, count: int = 1) -> None:
        """Pictures that never became frames. `reason`: one of a few fixed words."""
        ...

    def mended(self, what: str, count: int = 1) -> None:
        """Something that was put right: "timestamp_missing", "timestamp_jump", ..."""
        ...

    def packets_lost(self, kind: LostPackets, count: int = 1) -> None:
        """Packets of the source that never came, or too late to be of use."""
        ...


class LiveSource(Protocol):
    """A source that feeds an `Inlet` from threads of its own until it is closed, reconnecting by itself."""

    @property
    def address(self) -> str:
        """Where it comes from, without credentials."""
        ...

    @property
    def has_sound(self) -> bool:
        """As far as is known yet."""
        ...

    @property
    def decoder(self) -> str:
        """What decodes its pictures, and where, in a few words; empty before the first."""
        ...

    def start(self, inlet: Inlet) -> None: ...

    async def aclose(self) -> None:
        """Ends it, in every state, within a second; may be called twice."""
        ...


class Outlet(Protocol):
    """Where a stream's pictures and sound go: to viewers (`Broadcast`), or into a film (`streamer.recording`)."""

    has_sound: bool

    @property
    def viewers(self) -> int: ...

    @property
    def trouble(self) -> str:
        """Why nothing new is shown, in one line; empty where something is."""
        ...

    @property
    def epoch(self) -> int:
        """Rises with every `wait`. To be read when a frame comes, and handed over with what was made of it."""
        ...

    def show(self, enhanced: Frame, original: Frame, facts: PictureFacts, *, epoch: int | None = None) -> bool:
        """The next picture, from any one thread; returns at once. False, and nothing done, where it is of an `epoch`
        that is over: it must not take the place of what viewers are told since. What becomes of it otherwise is counted
        here."""
        ...

    def hear(self, packet: SoundPacket) -> None:
        """The next packet of sound, from any thread; returns at once."""
        ...

    def wait(self, message: str) -> None:
        """There is nothing to show until the next `show`. From any thread; returns at once."""
        ...

    def view(self, rendition: Rendition = "enhanced") -> Viewing:
        """One more viewer; on the event loop. Raises FullError."""
        ...

    async def aclose(self) -> None:
        """Ends it; may be called twice."""
        ...
