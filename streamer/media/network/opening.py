"""Opening live media: what FFmpeg is told for each kind of source, so that it waits little and gives up in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import av
from av.container import InputContainer
from av.stream import Stream

from streamer.errors import FacelaneError
from streamer.live.ports import Cause
from streamer.media.decoding import Decoding
from streamer.media.describe import has_decoder
from streamer.media.network.address import Address
from streamer.media.network.failure import Failure, explain, failure
from streamer.media.network.http import HttpDoor
from streamer.media.network.policy import SourcePolicy
from streamer.media.network.resolving import pinned
from streamer.media.network.settings import NetworkSettings

_MICROSECONDS = 1_000_000
# What a source may lead FFmpeg to. HTTP is not among them: that is read by `HttpDoor`.
_PROTOCOLS = {
    "rtsp": "rtsp,rtsps,rtp,srtp,tcp,udp,tls,crypto",
    "rtmp": "rtmp,rtmps,tcp,tls,crypto",
    "srt": "srt",
    "http": "http,https,crypto,data",
    "hls": "http,https,crypto,data",
    "device": "file",
    "file": "file,crypto,data",
}
_ANALYZE_SECONDS = 1.0
# Loss can only be told from reordering by waiting.
_REORDER_SECONDS = 0.1
_UDP_BUFFER_BYTES = 4 << 20
# RTSP says in words what will come; FFmpeg, which would look into it for more, takes parts of pictures for damage.
_SPLIT = {"fflags": "+noparse", "probesize": "32"}
# What FFmpeg makes whole of RTP, packet by packet, without the parsers that hold each picture until the next one; H.264
# and HEVC are joined by `AccessUnits`. All else needs them.
_PARSERLESS = frozenset(
    {"h264", "hevc", "mjpeg", "aac", "opus", "pcm_mulaw", "pcm_alaw", "pcm_s16be", "adpcm_g722", "adpcm_g726le"}
)


@dataclass(slots=True)
class OpenMedia:
    """An open source, and how to hurry its end. `interrupt` may be called on any thread.

    `decoding`: where its pictures are to be decoded. `is_split`: packets of H.264 and HEVC are what RTP carried, parts
    of pictures.
    """

    container: InputContainer
    decoding: Decoding
    interrupt: Callable[[], None]
    is_split: bool = False
    door: HttpDoor | None = None

    def close(self) -> None:
        self.interrupt()
        self.container.close()
        if self.door is not None:
            self.door.release()


@dataclass(slots=True)
class Knowledge:
    """What was learned of a source by opening it, for the next time. `needs_parsers`: of FFmpeg's, over RTSP.
    `card_fault`: why a card that was tried does not decode it."""

    needs_parsers: bool = False
    card_fault: str = ""


def open_media(
    address: Address,
    settings: NetworkSettings,
    policy: SourcePolicy | None = None,
    *,
    knowledge: Knowledge | None = None,
) -> OpenMedia:
    """The demuxer of a live source. Blocks for at most a few times `open_timeout_seconds`.

    `policy` is asked for the address, and for whatever HTTP leads on to. `knowledge` is used and added to. Raises
    Failure.
    """
    knowledge = knowledge or Knowledge()
    # FFmpeg's own lines name addresses with their passwords.
    av.logging.set_level(None)
    started = time.monotonic()
    try:
        decoding = settings.decoding(knowledge.card_fault)
        if address.kind in ("http", "hls"):
            return _open_http(address, settings, decoding, policy)
        if address.host:
            address = pinned(address, policy)
        if address.kind == "rtsp":
            return _open_rtsp(address, settings, decoding, knowledge)
        return OpenMedia(_open(address, settings, decoding, file=address.url), decoding, _nothing)
    except Failure:
        raise
    except FacelaneError as error:
        raise Failure(Cause.OTHER, str(error)) from None
    except (av.FFmpegError, OSError) as error:
        # An RTSP demuxer that is interrupted while it waits for an answer calls that invalid data.
        if isinstance(error, av.error.InvalidDataError) and _is_overdue(started, settings):
            raise failure(Cause.TIMED_OUT, address) from None
        raise explain(error, address) from None


def _is_overdue(started: float, settings: NetworkSettings) -> bool:
    return time.monotonic() - started >= 0.9 * settings.open_timeout_seconds


def _open_rtsp(address: Address, settings: NetworkSettings, decoding: Decoding, knowledge: Knowledge) -> OpenMedia:
    split = None if knowledge.needs_parsers else _open_split(address, settings, decoding)
    if split is not None:
        if all(_is_parserless(stream) for stream in split.streams if has_decoder(stream)):
            return OpenMedia(split, decoding, _nothing, is_split=True)
        split.close()
        knowledge.needs_parsers = True
    return OpenMedia(_open(address, settings, decoding, file=address.url), decoding, _nothing)


def _open_split(address: Address, settings: NetworkSettings, decoding: Decoding) -> InputContainer | None:
    """Without parsers; None where FFmpeg took a part of a picture, the first that came, for damage."""
    started = time.monotonic()
    try:
        return _open(address, settings, decoding, file=address.url, more=_SPLIT)
    except av.error.InvalidDataError:
        if _is_overdue(started, settings):
            raise
        return None


def _is_parserless(stream: Stream) -> bool:
    context = stream.codec_context
    codec = context.codec.canonical_name
    # AAC that RTP describes nowhere comes in a transport stream, several frames a packet.
    return codec in _PARSERLESS and (codec != "aac" or bool(context.extradata))


def _open_http(
    address: Address, settings: NetworkSettings, decoding: Decoding, policy: SourcePolicy | None
) -> OpenMedia:
    door = HttpDoor(address, settings, policy)
    try:
        if address.kind == "hls":
            container = _open(address, settings, decoding, file=address.url, io_open=door.open_part)
        else:
            container = _open(address, settings, decoding, file=door.open(address.url))
        return OpenMedia(container, decoding, door.close, door=door)
    except (av.FFmpegError, OSError) as error:
        door.release()
        # A callback's error comes out of PyAV as one of FFmpeg's; the door knows what it was.
        raise (door.failure or explain(error, address)) from None
    except BaseException:
        door.release()
        raise


def _open(
    address: Address,
    settings: NetworkSettings,
    decoding: Decoding,
    *,
    file: Any,
    io_open: Any = None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> InputContainer:
    container: InputContainer = av.open(
        file,
        "r",
        format="v4l2" if address.kind == "device" else None,
        options=options_for(address, settings) | dict(more),
        metadata_errors="replace",
        timeout=(settings.open_timeout_seconds, settings.read_timeout_seconds),
        io_open=io_open,
        hwaccel=decoding.hwaccel,
    )
    return container


def options_for(address: Address, settings: NetworkSettings) -> dict[str, str]:
    """FFmpeg's options for this kind of source."""
    options = {"protocol_whitelist": _PROTOCOLS[address.kind]}
    if address.kind == "file":
        return options
    # Streams are known from what they say of themselves: no frames are counted to guess a rate.
    options |= {"fpsprobesize": "0", "analyzeduration": str(round(_ANALYZE_SECONDS * _MICROSECONDS))}
    # Longer than PyAV's own limits: FFmpeg's make some demuxers speak of invalid data.
    longest = 2 * max(settings.open_timeout_seconds, settings.read_timeout_seconds)
    wait = str(round(longest * _MICROSECONDS))
    if address.kind == "rtsp":
        options |= {"rtsp_transport": settings.transport, "timeout": wait, "allowed_media_types": "video+audio"}
        if settings.transport == "udp":
            options |= {"buffer_size": str(_UDP_BUFFER_BYTES), "max_delay": str(round(_REORDER_SECONDS * 1e6))}
    elif address.kind == "rtmp":
        options |= {"rw_timeout": wait, "rtmp_live": "live"}
    elif address.kind == "srt":
        connect = str(round(settings.open_timeout_seconds * 1000))
        options |= {"rw_timeout": wait, "timeout": wait, "connect_timeout": connect, "mode": "caller"}
    elif address.kind == "hls":
        options |= {"http_persistent": "0", "http_multiple": "0", "allowed_extensions": "ALL"}
    return options


def _nothing() -> None:
    return None
