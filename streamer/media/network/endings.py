"""Learns from a stream which NAL units make up a picture of it, so that none has to wait for the next one to begin."""

from __future__ import annotations

import math

from streamer.media.network.nal_units import Payload

Signature = tuple[int, ...]
"""The types of a picture's NAL units, in order."""

_MARGIN_BYTES = 16
# The last part of a NAL unit that was split evenly may be smaller too, but never by so much.
_REST = 0.75
_LEAST_PICTURES = 25.0
_LEAST_ALIKE = 3
_MOST_SIGNATURES = 64
MOST_NALS = 64


class Endings:
    """Says whether a picture is complete with the last NAL unit that came of it; sure of it, or no.

    Two things are learned. A sender that fills its packets ends a NAL unit with one that is smaller. And pictures that
    are composed alike end alike, as long as none of them goes on where another has ended. Whatever speaks against one
    of the two (parts of equal size, slices that vary in number, something behind the slices now and then) makes it
    learn anew, each time for twice as long. Memory is bounded.
    """

    def __init__(self) -> None:
        self._need = _LEAST_PICTURES
        self._largest = 0
        self._last = 0
        self._forget()

    def payload(self, payload: Payload, *, is_first: bool) -> None:
        """The next packet came; `is_first` of its picture."""
        if payload.continues and not is_first:
            if self._is_ended:
                self.doubt()
            elif payload.load < _REST * self._largest:
                self._fills = True
        self._last = payload.load
        self._largest = max(self._largest, payload.load)

    def ends(self, signature: Signature) -> bool:
        """Whether nothing more will come of the picture that has come to this."""
        return (
            self._pictures >= self._need
            and self._fills
            and len(signature) < MOST_NALS
            and self._is_ended
            and self._seen.get(signature, 0) >= _LEAST_ALIKE
        )

    def complete(self, signature: Signature) -> None:
        """This was a whole picture, as the next one has shown."""
        if signature not in self._seen and (self._is_ambiguous(signature) or len(self._seen) >= _MOST_SIGNATURES):
            self.doubt()
        self._seen[signature] = self._seen.get(signature, 0) + 1
        self._pictures += 1

    def doubt(self) -> None:
        """Something that was learned is wrong."""
        self._need *= 2
        self._forget()

    def give_up(self) -> None:
        """From now on nothing is sure."""
        self._need = math.inf

    @property
    def _is_ended(self) -> bool:
        """Whether the last packet had room for more of its NAL unit."""
        return self._last < self._largest - _MARGIN_BYTES

    def _is_ambiguous(self, signature: Signature) -> bool:
        return any(seen[: len(signature)] == signature or signature[: len(seen)] == seen for seen in self._seen)

    def _forget(self) -> None:
        self._seen: dict[Signature, int] = {}
        self._pictures = 0
        self._fills = False
