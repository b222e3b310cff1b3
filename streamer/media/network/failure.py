"""Why a live source is not live: FFmpeg's and the system's errors as causes, and lines that say what to do."""

from __future__ import annotations

import errno
import ssl

import av

from streamer.live.ports import Cause
from streamer.media.demux import describe
from streamer.media.network.address import Address

_ADVICE = {
    Cause.REFUSED: "refuses connections: is it running, and is the port right?",
    Cause.TIMED_OUT: "does not answer in time: is it switched on, and does the way there work?",
    Cause.NOT_FOUND: "has no such stream: check the path",
    Cause.UNAUTHORISED: "asks for another user or password: check them, and that they may see this stream",
    Cause.CODEC: "sends no video that can be decoded: set it to H.264",
    Cause.CLOSED: "ended the stream",
    Cause.NETWORK: "can't be reached: check its name and the network",
    Cause.DEVICE: "can't be used: is the camera plugged in, and free?",
    Cause.OTHER: "can't be read",
}
_LASTING = frozenset({Cause.NOT_FOUND, Cause.UNAUTHORISED, Cause.CODEC})
_UNREACHABLE = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EPIPE}
    | {errno.ECONNRESET, errno.ECONNABORTED}
)
_DENIED = frozenset({errno.EACCES, errno.EPERM})
_ABSENT = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO})


class Failure(Exception):  # noqa: N818 - what happened, for the one who decides about the next try
    """`lasting`: another try changes nothing unless a person does something."""

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message

    @property
    def lasting(self) -> bool:
        return self.cause in _LASTING


def failure(cause: Cause, address: Address, *, detail: str = "") -> Failure:
    """What to say of this cause; `detail` must hold nothing of the address."""
    return Failure(cause, f"{address} {_ADVICE[cause]}" + (f" ({detail})" if detail else ""))


def explain(error: Exception, address: Address) -> Failure:
    """The failure behind an error of opening or reading. Only an error's kind and number are used, and FFmpeg's fixed
    words: its texts may hold the address with its password."""
    if isinstance(error, av.error.ProtocolNotFoundError):
        return failure(Cause.OTHER, address, detail=f"the FFmpeg that came with PyAV knows no {address.scheme}:")
    cause = _cause(error, address)
    words = describe(error) if isinstance(error, av.FFmpegError) and cause is Cause.OTHER else ""
    return failure(cause, address, detail=words)


def _cause(error: Exception, address: Address) -> Cause:
    if isinstance(error, av.FFmpegError):
        known = _ffmpeg_cause(error)
        if known is not None:
            return known
    if isinstance(error, TimeoutError):
        return Cause.TIMED_OUT
    if isinstance(error, ssl.SSLError):
        return Cause.OTHER
    return _system_cause(getattr(error, "errno", None), address)


def _ffmpeg_cause(error: av.FFmpegError) -> Cause | None:
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return Cause.UNAUTHORISED
    if isinstance(error, av.error.HTTPNotFoundError):
        return Cause.NOT_FOUND
    # What PyAV's own time limit comes to: it interrupts.
    if isinstance(error, av.error.ExitError):
        return Cause.TIMED_OUT
    if isinstance(error, av.error.EOFError):
        return Cause.CLOSED
    if isinstance(error, av.error.LookupError | av.error.PatchWelcomeError):
        return Cause.CODEC
    return None


def _system_cause(number: int | None, address: Address) -> Cause:
    if address.kind == "device":
        return Cause.DEVICE
    if number == errno.ECONNREFUSED:
        return Cause.REFUSED
    if number == errno.ETIMEDOUT:
        return Cause.TIMED_OUT
    if number in _UNREACHABLE:
        return Cause.NETWORK
    if number in _DENIED:
        return Cause.UNAUTHORISED
    return Cause.NOT_FOUND if number in _ABSENT else Cause.OTHER
