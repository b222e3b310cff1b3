"""What films and live streams need of FFmpeg, and of a card where the settings want one for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import av
from av.codec.codec import UnknownCodecError

from streamer.config import Settings
from streamer.findings import Finding, State
from streamer.media.encoders import ENCODERS
from streamer.media.hardware import Device, card_fault, decoding_fault

# What live streams come by, as FFmpeg names its demuxers.
LIVE_FORMATS = {
    "rtsp": "RTSP",
    "flv": "RTMP",
    "hls": "HLS",
    "mpjpeg": "MJPEG",
    "video4linux2,v4l2": "V4L2",
}
NEEDED_DECODERS = ("h264", "hevc", "vp9", "av1", "aac")


def wanted_cards(settings: Settings) -> Iterator[Finding]:
    """What the settings want a card for, films and live streams apart: without the card these can't be."""
    encoder = settings.output.encoders[0].name
    wishes: tuple[tuple[str, Device, Callable[[], str]], ...] = (
        ("[source] decoder_device", settings.source.decoder_device, decoding_fault),
        ("[network] decoder_device", settings.network.decoder_device, decoding_fault),
        ("[output] encoder_device", settings.output.encoder_device, partial(card_fault, encoder)),
    )
    for setting, device, find_fault in wishes:
        if device != "cuda":
            continue
        if fault := find_fault():
            yield Finding("cards", setting, State.BAD, f"cuda: {fault}", "set it to cpu or auto in the settings")
        else:
            yield Finding("cards", setting, State.GOOD, "cuda")


def codecs() -> Iterator[Finding]:
    """What this build of FFmpeg reads and writes by the processor."""
    lacking = [name for name in NEEDED_DECODERS if not _has_codec(name, "r")]
    advice = "install the av package from its wheel; films of these kinds can't be read" if lacking else ""
    state = State.NOTE if lacking else State.GOOD
    yield Finding("codecs", "decoders", state, f"no {', '.join(lacking)}" if lacking else "all common ones", advice)
    for name, encoder in ENCODERS.items():
        if _has_codec(encoder.name, "w"):
            yield Finding("codecs", name, State.GOOD, encoder.name)
            continue
        # The default codec's absence stops the main job; any other only takes away a choice.
        state = State.BAD if name == "h264" else State.NOTE
        yield Finding("codecs", name, state, f"no {encoder.name}", "install the av package from its wheel")


def live() -> Iterator[Finding]:
    """Nothing of this keeps films from being enhanced."""
    lacking = [name for key, name in LIVE_FORMATS.items() if key not in av.formats_available]
    advice = "install the av package from its wheel; live streams can't come by these" if lacking else ""
    value = f"no {', '.join(lacking)}" if lacking else ", ".join(LIVE_FORMATS.values())
    yield Finding("live streams", "sources", State.NOTE if lacking else State.GOOD, value, advice)
    coders = [name for name in ("libx264", "libopus") if not _has_codec(name, "w")]
    advice = "install the av package from its wheel; browsers can't be served without" if coders else ""
    value = f"no {', '.join(coders)}" if coders else "H.264 and Opus"
    yield Finding("live streams", "to browsers", State.NOTE if coders else State.GOOD, value, advice)


def _has_codec(name: str, mode: str) -> bool:
    try:
        av.Codec(name, "w" if mode == "w" else "r")
    except UnknownCodecError:
        return False
    return True
