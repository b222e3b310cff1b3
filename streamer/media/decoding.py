"""Whether a stream is decoded on the card or on the processor: what was asked, and what came of it."""

from __future__ import annotations

import logging

from av.codec.hwaccel import HWAccel
from av.video.codeccontext import VideoCodecContext

from streamer.errors import UnsupportedError, UsageError
from streamer.media.hardware import Device, cuda_decoding, decoding_fault, is_accelerated, refusal

logger = logging.getLogger(__name__)


class CardFault(Exception):  # noqa: N818 - what happened, for the one who opens the stream anew
    """The card that decodes a stream gives no pictures any more, and the processor may. `fault`: in a few words."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"{fault}; the processor decodes it from now on")
        self.fault = fault


class Decoding:
    """Where one stream is decoded. FFmpeg turns to the processor by itself where the card refuses a stream, at its
    beginning or where it changes; this notices, and lets it pass only where "auto" was asked for.
    """

    def __init__(self, asked: Device, *, setting: str, known_fault: str = "") -> None:
        """`setting`: its name, for messages. `known_fault`: why the card does not decode this, if it was tried before.
        Raises UsageError where the card is asked for and there is none."""
        self._asked = asked
        self._setting = setting
        self._fault = "" if asked == "cpu" else known_fault or decoding_fault()
        self._codec = ""
        self._was_on_card = False
        if asked == "cuda" and self._fault:
            raise UsageError(f"{setting} is cuda, but {self._fault}: set it to cpu or auto")

    @property
    def tries_card(self) -> bool:
        return self._asked != "cpu" and not self._fault

    @property
    def hwaccel(self) -> HWAccel | None:
        """What `av.open` is to be given."""
        return cuda_decoding() if self.tries_card else None

    @property
    def fault(self) -> str:
        """Why the card does not decode this though it was wanted; empty where it does, or was not."""
        return self._fault

    @property
    def taken(self) -> str:
        """What decodes: "h264 on cuda"; "h264 on cpu: " and why, if the card was wanted. Empty until a picture came."""
        if not self._fault or not self._codec:
            return self._codec and f"{self._codec} on {'cuda' if self.tries_card else 'cpu'}"
        return f"{self._codec} on {'cuda, then on ' if self._was_on_card else ''}cpu: {self._fault}"

    def accepts(self, context: VideoCodecContext, *, has_come: bool = True) -> bool:
        """To be called after each picture, and where none came. False where the card was tried and refuses, which it
        is then no longer tried for. Raises UnsupportedError in its place where the card was asked for.
        """
        self._codec = context.codec.canonical_name
        if not self.tries_card:
            return True
        if has_come and is_accelerated(context):
            self._was_on_card = True
            return True
        self.give_up(refusal(context) if has_come else f"NVDEC gives no picture of this {self._codec}")
        return False

    def give_up(self, fault: str) -> None:
        """The card is no longer tried. Raises UnsupportedError where it was asked for. `fault`: in a few words."""
        if self._asked == "cuda":
            raise UnsupportedError(f"{fault}: set {self._setting} to cpu or auto")
        self._fault = fault
        logger.info("not decoded on the card: %s", fault)
