"""What can go wrong with weights and with the sessions that run them."""

from __future__ import annotations

from typing import ClassVar


class WeightsError(Exception):
    """Root of this room: one line that says what is wrong and what to do.

    `retryable`: the same call may succeed later, as after a network failure.
    """

    exit_code: ClassVar[int] = 9

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class LocalError(WeightsError):
    """This machine is at fault, so that asking another place on the network can't help: a full disk, a folder or a
    file without leave, a certificate that is not there."""


class OutOfMemoryError(WeightsError, MemoryError):
    """A network found no memory for itself, or for what it was to compute. As MemoryError it is for whoever can do
    with less; for everybody else it says what to do."""

    def __init__(self, device: str, reason: str) -> None:
        advice = "free some" if device == "cpu" else 'let other programs leave it, or set [runtime] device to "cpu"'
        super().__init__(f"{device} has not memory enough ({reason}); {advice}")
