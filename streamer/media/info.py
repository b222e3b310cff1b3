"""What a source is, before and apart from its frames: what a sink, a probe or a report need to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from streamer.color import ColorSpec


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One stream of a container. `kind`: video, audio, subtitle, data, attachment or unknown; `codec`: FFmpeg's name,
    empty where FFmpeg knows none. `attached_picture`: a cover, coded as a video of one frame."""

    index: int
    kind: str
    codec: str
    language: str | None = None
    default: bool = False
    attached_picture: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chapter:
    """A named stretch of a film; `start` and `end` in units of `time_base` seconds."""

    id: int
    start: int
    end: int
    time_base: Fraction
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """A source as its container and its first frame describe it.

    `width`, `height`: of the frames that come out, so after rotation. `time_base`: seconds for one unit of a frame's
    pts. `rate`: frames a second on average, where stated. `start`: pts of the first frame. `duration_seconds` and
    `frame_count` are what the container claims, None where it claims nothing. `color`: of the frames that come out (so
    BT.709 for a tone-mapped source). `sar`: width over height of one pixel, after rotation; 1 where not stated.

    `rotation`: degrees clockwise, 0, 90, 180 or 270, by which frames were turned, after having been mirrored left to
    right if `mirrored`: both are done already. `codec`, `pix_fmt`: as stored. `interlaced`: the first frame is.
    `hdr`: the transfer that was tone-mapped ("pq", "hlg"), else None. `streams`: all of them, by index; the one at
    `video_index` is the one that is read.
    """

    path: Path
    container: str
    video_index: int
    streams: tuple[StreamInfo, ...]
    width: int
    height: int
    time_base: Fraction
    rate: Fraction | None
    start: int
    duration_seconds: Fraction | None
    frame_count: int | None
    color: ColorSpec
    sar: Fraction
    codec: str
    pix_fmt: str
    rotation: int = 0
    mirrored: bool = False
    interlaced: bool = False
    hdr: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    chapters: tuple[Chapter, ...] = ()

    @property
    def video(self) -> StreamInfo:
        """The stream that frames come from."""
        return self.streams[self.video_index]
