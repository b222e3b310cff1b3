"""From an opened container to what we say of it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from streamer.errors import NoVideoError, SourceError, UnsupportedError
from streamer.frame import Frame
from streamer.media.convert import PLANAR
from streamer.media.hardware import is_accelerated
from streamer.media.info import Chapter, SourceInfo, StreamInfo
from streamer.media.orient import Orientation
from streamer.media.tonemap import HDR_TRANSFERS

# FFmpeg draws any text file whose name ends in .txt, .nfo, .ans or .bin as a film of a terminal.
_TEXT_CODECS = frozenset({"ansi", "bintext", "xbin", "idf"})
_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails


def choose_video(container: InputContainer, path: Path) -> VideoStream:
    """The stream that is the film: no cover, the default one rather than another, then the largest, then the first.

    Raises NoVideoError where there is none, UnsupportedError where none can be decoded, SourceError for a text file.
    """
    streams = films(container)
    if not streams:
        found = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        only = "only a cover picture and " if container.streams.video else "only "
        raise NoVideoError(f"{path} has no video ({only}{found}): name a file with a video stream")
    decodable = [stream for stream in streams if has_decoder(stream)]
    if not decodable:
        raise UnsupportedError(f"{path} has video that no decoder here knows: convert it to H.264 first")
    chosen = preferred(decodable)
    if chosen.codec_context.name in _TEXT_CODECS:
        raise SourceError(f"{path} is text, not a film: name a video file")
    return chosen


def films(container: InputContainer) -> list[VideoStream]:
    """The video streams that are no covers."""
    return [stream for stream in container.streams.video if not stream.disposition & _PICTURES]


def preferred(streams: Sequence[VideoStream]) -> VideoStream:
    """The default one rather than another, then the largest, then the first."""
    return max(streams, key=_preference)


def has_decoder(stream: Stream) -> bool:
    # PyAV gives a stream without a decoder no context, whatever its stubs say.
    return getattr(stream, "codec_context", None) is not None


def describe_source(
    path: Path,
    container: InputContainer,
    video: VideoStream,
    *,
    first: Frame,
    decoded: av.VideoFrame,
    orientation: Orientation,
) -> SourceInfo:
    """What the container says, with what the first frame (as decoded, and as it goes out) turned out to be."""
    sar = video.sample_aspect_ratio or Fraction(1)
    if sar <= 0:
        sar = Fraction(1)
    return SourceInfo(
        path=path,
        container=container.format.name,
        video_index=video.index,
        streams=tuple(_stream_info(stream) for stream in container.streams),
        width=first.width,
        height=first.height,
        time_base=first.time_base,
        rate=stated_rate(video),
        start=first.pts,
        duration_seconds=_duration(container, video),
        frame_count=video.frames or None,
        color=first.color,
        sar=1 / sar if orientation.swaps_sides else sar,
        codec=video.codec_context.codec.canonical_name,
        pix_fmt=_stored_format(video, decoded),
        rotation=orientation.rotation,
        mirrored=orientation.mirrored,
        interlaced=decoded.interlaced_frame,
        hdr=HDR_TRANSFERS.get(decoded.color_trc),
        metadata=dict(container.metadata),
        chapters=tuple(_chapters(container)),
    )


def _stored_format(video: VideoStream, decoded: av.VideoFrame) -> str:
    """The pixel format of the film; a card lays it out anew."""
    name = decoded.format.name
    return PLANAR.get(name, name) if is_accelerated(video.codec_context) else name


def stated_rate(video: VideoStream) -> Fraction | None:
    """Frames a second on average, None where the container gives no hint."""
    rate = video.average_rate or video.guessed_rate
    return rate if rate and rate > 0 else None


def _preference(stream: VideoStream) -> tuple[bool, int, int]:
    return bool(stream.disposition & Disposition.default), stream.width * stream.height, -stream.index


def _duration(container: InputContainer, video: VideoStream) -> Fraction | None:
    if video.duration and video.time_base:
        return video.duration * video.time_base
    return Fraction(container.duration, av.time_base) if container.duration else None


def _stream_info(stream: Stream) -> StreamInfo:
    context = getattr(stream, "codec_context", None)
    return StreamInfo(
        index=stream.index,
        kind=stream.type,
        codec="" if context is None else context.codec.canonical_name,
        language=stream.language,
        default=bool(stream.disposition & Disposition.default),
        attached_picture=bool(stream.disposition & _PICTURES),
        metadata=dict(stream.metadata),
    )


def _chapters(container: InputContainer) -> list[Chapter]:
    return [
        Chapter(chapter["id"], chapter["start"], chapter["end"], chapter["time_base"], dict(chapter["metadata"]))
        for chapter in container.chapters()
        if chapter["time_base"] is not None
    ]
