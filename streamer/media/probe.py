"""What a film is, and a sample of its frames, without reading all of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

from streamer.errors import SourceError
from streamer.frame import Frame
from streamer.media.info import SourceInfo
from streamer.media.reader import FileReader

logger = logging.getLogger(__name__)

_READ_THROUGH = 4
"""A film of fewer times the frames wanted is read through: that takes less than seeking."""
_USUAL_RATE = Fraction(25)


def probe(path: Path) -> SourceInfo:
    """What the film is. Raises as `FileReader` does."""
    with FileReader(path) as reader:
        return reader.info


def damage_of(path: Path) -> str | None:
    """What can be seen to be wrong with the film by opening it, in one line; None where nothing can. Only reading it
    through finds all: see `FileReader.damaged`. Raises as `FileReader` does."""
    with FileReader(path) as reader:
        return reader.damaged


def sample_frames(path: Path, count: int) -> Iterator[Frame]:
    """At most `count` frames, spread evenly over the film, in order; `seq` counts the frames decoded for it.

    By seeking where the container states a length and can be searched, else by reading the film through. Raises as
    `FileReader` does, and ValueError where `count` is not positive.
    """
    if count < 1:
        raise ValueError(f"a sample has at least one frame, not {count}")
    with FileReader(path) as reader:
        if _is_worth_seeking(reader.info, count) and _can_seek(reader):
            sought = list(_sought(reader, count))
            if len(sought) > count // 2:
                yield from sought
                return
            logger.info("%s: seeking found %d of %d frames, so it is read through", path, len(sought), count)
    with FileReader(path) as reader:
        yield from _thinned(reader, count)


def _can_seek(reader: FileReader) -> bool:
    try:
        reader.seek(reader.info.start)
    except SourceError as error:
        logger.info("%s", error)
        return False
    return True


def _is_worth_seeking(info: SourceInfo, count: int) -> bool:
    if not info.duration_seconds:
        return False
    frames = info.frame_count or info.duration_seconds * (info.rate or _USUAL_RATE)
    return frames > _READ_THROUGH * count


def _sought(reader: FileReader, count: int) -> Iterator[Frame]:
    """One frame from the middle of each of `count` equal parts."""
    info = reader.info
    assert info.duration_seconds is not None
    length = info.duration_seconds / info.time_base
    last, seeks = info.start - 1, True
    for part in range(count):
        wanted = info.start + round(length * (2 * part + 1) / (2 * count))
        if seeks:
            reader.seek(wanted)
        frame = next(iter(reader), None)
        # Key frames further apart than the samples: from here on, seeking would decode more than reading on.
        seeks = seeks and frame is not None and frame.pts > last
        while frame is not None and frame.pts < wanted:
            frame = next(iter(reader), None)
        if frame is None:
            return
        if frame.pts > last:
            last = frame.pts
            yield frame


def _thinned(frames: Iterable[Frame], count: int) -> list[Frame]:
    """`count` of frames whose number nobody knows: every 2nd, 4th, 8th is kept as they become too many."""
    kept: list[Frame] = []
    stride = 1
    for index, frame in enumerate(frames):
        if index % stride == 0:
            kept.append(frame)
            if len(kept) > 2 * count:
                kept, stride = kept[::2], 2 * stride
    if len(kept) <= count:
        return kept
    return [kept[(2 * part + 1) * len(kept) // (2 * count)] for part in range(count)]
