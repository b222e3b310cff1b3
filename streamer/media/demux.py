"""Opening local media: the one door to FFmpeg's demuxers, where every failure becomes an error of ours."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from streamer.errors import SourceError

logger = logging.getLogger(__name__)

# Playlists may name further local files; nothing that FFmpeg opens may reach the network.
_PROTOCOLS = "file,crypto,data"


def file_url(path: Path) -> str:
    """What FFmpeg opens as exactly this local file, whatever its name looks like (`http:x`, `-i`, `a%d.png`)."""
    return f"file:{path.absolute()}"


def open_input(path: Path, hwaccel: HWAccel | None = None) -> InputContainer:
    """The demuxer of a local file, opened for reading only. `hwaccel`: what decodes, None for the processor.

    Raises SourceError in one line where the file is missing, is no regular file, is empty, may not be read, or is
    nothing that FFmpeg knows.
    """
    check_readable(path)
    options = {"protocol_whitelist": _PROTOCOLS}
    if "%" in path.name:
        options["pattern_type"] = "none"
    try:
        container = av.open(file_url(path), "r", options=options, metadata_errors="replace", hwaccel=hwaccel)
    except av.FFmpegError as error:
        raise SourceError(
            f"{path} can't be read as media ({describe(error)}): is it a video file, and complete?"
        ) from error
    return container


def packets(
    container: InputContainer, *streams: Stream, on_late: Callable[[], None] | None = None
) -> Iterator[Packet[Stream]]:
    """The packets of these streams, of all where none is named, in the file's order; an empty one of each at the end.

    `on_late` is called at the end where a stream was declared in mid-film: its packets don't come. Raises
    av.FFmpegError where the demuxer fails.
    """
    try:
        yield from container.demux(*streams)
    except IndexError:
        # A transport stream or FLV may declare a stream in mid-film. At the end of the file PyAV sends its empty
        # packets to all streams, but keeps a list only as long as there were streams at the beginning.
        logger.info("a stream that begins in mid-film is left out")
        if on_late is not None:
            on_late()


def check_readable(path: Path) -> None:
    """Raise SourceError unless `path` is a regular file with something in it that we may read."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise SourceError(f"{path} does not exist: check the name") from error
    except OSError as error:
        raise SourceError(f"{path} can't be opened ({error.strerror}): check the path and its permissions") from error
    if stat.S_ISDIR(status.st_mode):
        raise SourceError(f"{path} is a folder: name one video file")
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"{path} is not a regular file: name a video file")
    if status.st_size == 0:
        raise SourceError(f"{path} is empty: was it copied to the end?")
    if not os.access(path, os.R_OK):
        raise SourceError(f"{path} may not be read: ask its owner for permission, or copy it")


def describe(error: av.FFmpegError) -> str:
    """FFmpeg's words for what went wrong, without the path."""
    return error.strerror or type(error).__name__
