"""The containers that we write: what fits into each, and what each can't hold."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.codec.context import CodecContext
from av.stream import Stream

from streamer.errors import SinkError


@dataclass(frozen=True, slots=True)
class Container:
    """A kind of file. `muxer`: FFmpeg's name. `codecs`: ours that fit, by their names in `encoders`.

    `audio` and `text`: the encoder of sound and of written subtitles that the container surely takes, None for none.
    `reorders`: B-frames don't move its times. `below_zero`: it holds times under 0, as sound has that an encoder began
    early. `covers`: it tells a cover from a film. `tags`: it holds tags of the film. `allow`: where FFmpeg would
    take any stream as private data that nobody can read, the codecs that we copy.
    """

    muxer: str
    codecs: frozenset[str]
    audio: str
    text: str | None
    chapters: bool = True
    reorders: bool = True
    below_zero: bool = True
    covers: bool = False
    tags: bool = True
    allow: frozenset[str] | None = None

    @property
    def isobmff(self) -> bool:
        """It is of MP4's family."""
        return self.muxer in ("mp4", "mov")


_TRANSPORT_CODECS = frozenset(
    [
        "aac",
        "aac_latm",
        "mp2",
        "mp3",
        "ac3",
        "eac3",
        "dts",
        "truehd",
        "opus",
        "dvb_subtitle",
        "dvb_teletext",
        "klv",
        "timed_id3",
        "scte_35",
    ]
)
_MP4 = Container("mp4", frozenset({"h264", "hevc", "av1", "vp9"}), audio="aac", text="mov_text", covers=True)
_MOV = Container("mov", frozenset({"h264", "hevc"}), audio="aac", text="mov_text", covers=True)
_MATROSKA = Container("matroska", frozenset({"h264", "hevc", "av1", "vp9", "ffv1"}), audio="libopus", text="subrip")
_WEBM = Container("webm", frozenset({"av1", "vp9"}), audio="libopus", text="webvtt")
_TRANSPORT = Container(
    "mpegts",
    frozenset({"h264", "hevc"}),
    audio="aac",
    text=None,
    chapters=False,
    reorders=False,
    below_zero=False,
    tags=False,
    allow=_TRANSPORT_CODECS,
)

BY_SUFFIX: Mapping[str, Container] = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": _MOV,
    ".mkv": _MATROSKA,
    ".webm": _WEBM,
    ".ts": _TRANSPORT,
    ".m2ts": _TRANSPORT,
}
# One name of each kind, for messages.
_NAMES = ".mp4, .mov, .mkv, .webm or .ts"


def container_of(path: Path) -> Container:
    """The container that a file's name asks for. Raises SinkError where it asks for none that we write."""
    container = BY_SUFFIX.get(path.suffix.lower())
    if path.suffix.lower() == ".avi":
        raise SinkError(f"{path}: AVI is read, not written, as it holds no times: end the name in {_NAMES}")
    if container is None:
        raise SinkError(f"{path} doesn't say what kind of film to write: end its name in {_NAMES}")
    return container


def muxer_options(container: Container, time_base: Fraction, *, faststart: bool) -> dict[str, str]:
    """What the muxer is told so that it keeps times that count in `time_base`, also below 0 where it can.

    `faststart`: the index of an MP4 or MOV comes first.
    """
    options = {}
    if container.below_zero:
        # FFmpeg would move the whole film to begin at 0; Matroska's blocks count from their cluster and can lie before.
        options["avoid_negative_ts"] = "disabled"
    if container.isobmff:
        options["movie_timescale"] = str(_movie_timescale(time_base))
        if faststart:
            options["movflags"] = "+faststart"
    return options


def _movie_timescale(time_base: Fraction) -> int:
    """Ticks a second in which an MP4 says when each track begins; FFmpeg's 1000 would round that to milliseconds."""
    exact = math.lcm(time_base.denominator, 48000)
    return exact if exact < 2**31 else time_base.denominator


def has_decoder(stream: Stream) -> bool:
    """Whether FFmpeg knows what is in a stream; PyAV's types leave out that there is no context where it does not."""
    return cast("CodecContext | None", stream.codec_context) is not None


def codec_of(stream: Stream) -> str:
    """FFmpeg's name of a stream's codec, not of one of its decoders (`mp3`, not `mp3float`); "unknown" for none."""
    if has_decoder(stream):
        return stream.codec_context.codec.canonical_name
    return cast("str | None", getattr(stream, "name", None)) or "unknown"


def takes(container: Container, stream: Stream) -> bool:
    """Whether the container holds packets of this stream as they are; found by writing a header for it alone."""
    if container.allow is not None and codec_of(stream) not in container.allow:
        return False
    try:
        with av.open(io.BytesIO(), "w", format=container.muxer) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (ValueError, av.FFmpegError):
        return False
    return True
