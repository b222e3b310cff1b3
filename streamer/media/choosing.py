"""Which encoder writes a film: what this build and this machine have, and what takes the film's pictures."""

from __future__ import annotations

from dataclasses import dataclass

import av
from av.codec.codec import UnknownCodecError

from streamer.errors import SinkError, UsageError
from streamer.media.containers import Container
from streamer.media.encoders import CARD_ENCODERS, ENCODERS, CodecName, Encoder, EncodeSettings
from streamer.media.hardware import card_fault, encoder_fault


def available() -> dict[CodecName, str]:
    """The codecs that this build of FFmpeg can write on the processor, each with the name of its encoder."""
    return {codec: encoder.name for codec, encoder in ENCODERS.items() if _exists(encoder.name)}


def check_fits(settings: EncodeSettings, container: Container) -> None:
    """Raise UsageError, naming what would do, unless the codec is there and goes into the container, and the card that
    is to encode is there."""
    there = available()
    if settings.codec not in container.codecs:
        fits = ", ".join(codec for codec in there if codec in container.codecs)
        raise UsageError(f"{settings.codec} doesn't go into {container.muxer}: use codec {fits}, or an .mkv file")
    if settings.encoder_device == "cuda":
        check_card(settings.encoders[0])
    elif settings.codec not in there:
        lacking = ENCODERS[settings.codec].name
        raise UsageError(f"this build of FFmpeg has no {lacking}: use one of {', '.join(there)}")


def check_card(encoder: Encoder) -> None:
    """Raise UsageError where this encoder of a card can't be used here at all."""
    if fault := card_fault(encoder.name):
        raise UsageError(f"[output] encoder_device is cuda, but {fault}: set it to cpu or auto")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The encoder of one film. `fault`: why it is not the card's, where that was wanted."""

    encoder: Encoder
    fault: str = ""

    def __str__(self) -> str:
        return f"{self.encoder.name}: {self.fault}" if self.fault else self.encoder.name


def choose(settings: EncodeSettings, width: int, height: int) -> Chosen:
    """What encodes pictures of this size: a card's encoder is tried with them first. Raises SinkError where the card is
    asked for and doesn't take them."""
    first, *others = settings.encoders
    if first not in CARD_ENCODERS.values():
        return Chosen(first)
    fault = encoder_fault(first.name, settings.options(first), width, height)
    if not fault:
        return Chosen(first)
    if not others:
        raise SinkError(f"{settings.codec} of {width}x{height}: {fault}; set [output] encoder_device to cpu or auto")
    return Chosen(others[0], fault)


def _exists(encoder: str) -> bool:
    try:
        av.Codec(encoder, "w")
    except UnknownCodecError:
        return False
    return True
