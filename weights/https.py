"""A file by HTTP: gone on with where it broke off, tried again where that may help, hashed as it comes.

What has come stays beside the target as `.part`, also for the next run; only bytes of the right SHA-256 get its name.
Addresses of the manifest are HTTPS; those that the package index lists may be either.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
import urllib.error
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO

from weights.disk import set_aside, writing
from weights.errors import WeightsError
from weights.network import Network, NetworkSettings, public

logger = logging.getLogger(__name__)

BLOCK = 1 << 18
MEGABYTE = 1e6
WAITS_SECONDS = (1.0, 2.0, 4.0, 8.0)

Say = Callable[[str], None]
Watch = Callable[[str, int, int | None], None]
"""Is told the name of a file, how many bytes of it have come, and how many there are, if that is known."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file somewhere else. `size` in bytes; None where only the server knows."""

    url: str
    name: str
    sha256: str
    size: int | None = None

    @property
    def place(self) -> str:
        """The address for people: nothing secret is in it."""
        return public(self.url)


class Unfinished:
    """The bytes of a file that have come so far, on the disk, with their SHA-256. Raises LocalError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._hash = hashlib.sha256()
        with writing(path.parent):
            self._file: IO[bytes] = path.open("ab+")
            self._file.seek(0)
            while block := self._file.read(BLOCK):
                self._count(block)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def append(self, block: bytes) -> None:
        with writing(self.path.parent):
            self._file.write(block)
        self._count(block)

    def begin_anew(self) -> None:
        with writing(self.path.parent):
            self._file.truncate(0)
        self.size, self._hash = 0, hashlib.sha256()

    def close(self) -> None:
        with writing(self.path.parent):
            self._file.close()

    def _count(self, block: bytes) -> None:
        self._hash.update(block)
        self.size += len(block)


class Downloader:
    """Fetches files. `waits_seconds`: before each try after a failure that may pass; a try that
    brought bytes begins them anew."""

    def __init__(
        self,
        network: Network | None = None,
        *,
        say: Say = logger.info,
        watch: Watch | None = None,
        waits_seconds: Sequence[float] | None = None,
    ) -> None:
        self._network = network or Network(NetworkSettings())
        self._say = say
        self._watch = watch
        self._waits = WAITS_SECONDS if waits_seconds is None else waits_seconds

    def fetch(self, remote: Remote, target: Path) -> None:
        """Brings the file to `target`. Raises WeightsError, `retryable` where the network was at fault.

        Bytes of another SHA-256 are set aside as `.corrupt`.
        """
        part = Unfinished(target.with_name(f"{target.name}.part"))
        try:
            self._complete(remote, part)
        finally:
            part.close()
        if part.sha256 != remote.sha256:
            aside = set_aside(part.path)
            wrong = f"{remote.place} holds other bytes than the manifest's SHA-256 stands for"
            raise WeightsError(f"{wrong}; they were set aside as {aside}")
        with writing(target.parent):
            part.path.replace(target)

    def _complete(self, remote: Remote, part: Unfinished) -> None:
        inherited = part.size
        self._receive_all(remote, part)
        if inherited and part.sha256 != remote.sha256:
            # What lay here from another run may be what is wrong.
            logger.warning(
                "what was left of %s doesn't go with the rest; it is fetched from its beginning", remote.name
            )
            part.begin_anew()
            self._receive_all(remote, part)

    def _receive_all(self, remote: Remote, part: Unfinished) -> None:
        self._say(_announcement(remote, part))
        failures = 0
        while True:
            before = part.size
            try:
                return self._receive(remote, part)
            except WeightsError as error:
                failures = 1 if part.size > before else failures + 1
                if not error.retryable or failures > len(self._waits):
                    raise
                wait = self._waits[failures - 1]
                self._say(f"{error}; trying again in {wait:g} s")
                time.sleep(wait)

    def _receive(self, remote: Remote, part: Unfinished) -> None:
        """One request for what is lacking, and its answer."""
        if remote.size is not None and part.size > remote.size:
            part.begin_anew()
        if part.size == remote.size:
            return
        headers = {"Range": f"bytes={part.size}-"} if part.size else {}
        try:
            with self._network.open(remote.url, headers) as response:
                assert isinstance(response, HTTPResponse)
                is_asked_for = _begins(response) in (None, part.size)
                if is_asked_for:
                    self._take(response, remote, part)
        except urllib.error.HTTPError as error:
            if error.code != 416 or not part.size:
                raise self._network.trouble(error, url=remote.url) from error
            # There is nothing behind what has come: it is the whole, or what the server has is another file.
            if _range(error.headers.get("Content-Range"))[1] != part.size:
                part.begin_anew()
                self._receive(remote, part)
        except (OSError, HTTPException) as error:
            raise self._network.trouble(error, url=remote.url) from error
        else:
            if not is_asked_for:
                self._take_no_part(remote, part)

    def _take_no_part(self, remote: Remote, part: Unfinished) -> None:
        """The server answers with another part of the file than it was asked for: it is asked for all of it."""
        if not part.size:
            raise WeightsError(f"{remote.place} answers with another range than it was asked for")
        part.begin_anew()
        self._receive(remote, part)

    def _take(self, response: HTTPResponse, remote: Remote, part: Unfinished) -> None:
        goes_on = response.status == 206
        total = None if response.length is None else response.length + (part.size if goes_on else 0)
        if remote.size is not None and total not in (None, remote.size):
            raise WeightsError(f"{remote.place} has {total} bytes, and the manifest says {remote.size}")
        if not goes_on:
            part.begin_anew()
        # What is there, and not a whole block: a line that breaks loses nothing that had come.
        while block := response.read1(BLOCK):
            part.append(block)
            if remote.size is not None and part.size > remote.size:
                raise WeightsError(f"{remote.place} sends more than the {remote.size} bytes that the manifest says")
            if self._watch:
                self._watch(remote.name, part.size, remote.size or total)
        # A connection that ends too early is no exception to `read`.
        if response.length:
            raise OSError("the connection broke off")


def _announcement(remote: Remote, part: Unfinished) -> str:
    host = urllib.parse.urlsplit(remote.url).hostname
    size = f"{remote.size / MEGABYTE:.1f} MB" if remote.size else ""
    if part.size:
        come = f"{part.size / MEGABYTE:.1f} {f'of {size}' if size else 'MB'}"
        return f"going on with {remote.name} from {host} at {come} ..."
    return f"fetching {remote.name}{size and f' ({size})'} from {host} ..."


def _begins(response: HTTPResponse) -> int | None:
    """At which byte of the file an answer begins that is a part of it; None where it is all of it."""
    if response.status != 206:
        return None
    start = _range(response.headers.get("Content-Range"))[0]
    return -1 if start is None else start


def _range(text: str | None) -> tuple[int | None, int | None]:
    """Where the bytes of an answer begin, and how many the file has, by its Content-Range (RFC 9110, 14.4)."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", (text or "").strip())
    start, total = match.groups() if match else (None, None)
    return (int(start) if start else None), (int(total) if total else None)
