"""Streams that are there from the beginning: what the settings and the command line say of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from streamer.errors import UsageError
from streamer.live.names import check_name
from streamer.media.demux import check_readable
from streamer.media.network.address import Address, parse
from streamer.settings_tree import TOLD_AS
from web.feeds import BadRequestError

_LONGEST = 32


def _told(source: str) -> str:
    try:
        return parse(source).shown
    except UsageError:
        return "..." if source else ""


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """`name`: of the stream, as `streamer.live.names` has it. `source`: where its pictures come from; empty where
    somebody will publish them.

    Raises UsageError for a name or a source that can't be one.
    """

    name: str
    source: str = field(repr=False, metadata={TOLD_AS: _told})

    def __post_init__(self) -> None:
        try:
            check_name(self.name)
        except BadRequestError as error:
            raise UsageError(f"{error}, not {self.name!r}") from error
        if self.source:
            parse(self.source)


def entries_of(words: Sequence[str], *, taken: Iterable[str] = ()) -> tuple[StreamEntry, ...]:
    """Streams from words like `rtsp://camera/main` or `door=rtsp://camera/main`; who has no name gets one after its
    source, that none of `taken` has.

    Raises UsageError for what is no source and for a name that was given twice, SourceError for a local file that
    can't be read.
    """
    pairs = [_split(word) for word in words]
    used = list(taken)
    for name, _ in pairs:
        if name and name in used:
            raise UsageError(f"two streams are called {name}: choose another name for one of them, as NAME=SOURCE")
        used += [name] if name else []
    entries = []
    for name, source in pairs:
        check_source(source)
        entry = StreamEntry(name or _free(_derived(parse(source)), used), source)
        used.append(entry.name)
        entries.append(entry)
    return tuple(entries)


def check_source(source: str) -> Path | None:
    """What can be known of a source without opening it; returns the path of a local file.

    Raises UsageError for what is no source, SourceError for a local file that can't be read.
    """
    address = parse(source)
    if address.kind != "file":
        return None
    check_readable(path := Path(address.url))
    return path


def _split(word: str) -> tuple[str, str]:
    """Name and source; the name is empty where there is none. Sources may hold `=` themselves."""
    name, equals, source = word.partition("=")
    return (name, source) if equals and re.fullmatch(r"[\w-]+", name) else ("", word)


def _derived(address: Address) -> str:
    """A name that one recognises the source by: its host and the end of its path."""
    shown = address.shown
    if address.kind in ("file", "device"):
        words = Path(shown).stem
    else:
        parts = urlsplit(shown)
        words = f"{parts.hostname}-{parts.path.rpartition('.')[0] or parts.path}"
    plain = "-".join(re.findall(r"[A-Za-z0-9_]+", words)).strip("_-")
    return plain[:_LONGEST].rstrip("_-") or "stream"


def _free(name: str, used: Sequence[str]) -> str:
    return next(each for each in _numbered(name) if each not in used)


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1
