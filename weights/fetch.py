"""Archives: one of the package index to its place, a member of one to where it is used; each hash checked."""

from __future__ import annotations

import hashlib
import logging
import tarfile
import zipfile
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import IO

from weights.disk import writing
from weights.errors import LocalError, WeightsError
from weights.https import Downloader, Remote, Say, Watch
from weights.index import Places, local_path, pip_settings
from weights.manifest import ArchiveMember, Entry, HttpsMember

logger = logging.getLogger(__name__)

BLOCK = 1 << 16

Blocks = Generator[bytes, None, None]


def bring_archive(source: ArchiveMember, target: Path, *, say: Say = logger.info, watch: Watch | None = None) -> None:
    """Brings an archive with the SHA-256 that the manifest states to `target`, from the first place that pip is set up
    for and that has it.

    What has come stays beside the target, for the next place and the next run. Raises WeightsError with what was wrong
    at each place, `retryable` where the network was at fault at one.
    """
    places = Places(pip_settings())
    downloader = Downloader(places.network, say=say, watch=watch)
    problems: list[WeightsError] = []
    for link in places.links(source.distribution, source.archive):
        if problems:
            logger.warning("%s; trying the next place", problems[-1])
        try:
            return _bring(link, source, target, downloader)
        except LocalError:
            raise
        except WeightsError as error:
            problems.append(error)
    reason = "; ".join(map(str, problems)) or "no place that pip is set up for lists it"
    advice = "check the network and pip's configuration"
    retryable = any(problem.retryable for problem in problems)
    raise WeightsError(f"{source.archive} can't be fetched ({reason}); {advice}", retryable=retryable)


def _bring(link: str, source: ArchiveMember, target: Path, downloader: Downloader) -> None:
    file = local_path(link)
    if file is None:
        downloader.fetch(Remote(link, source.archive, source.sha256), target)
    elif not _place(_read(file), target, sha256=source.sha256, temporary=target.with_name(f"{target.name}.copy")):
        raise WeightsError(f"{file} holds other bytes than the manifest's SHA-256 stands for")


def _read(path: Path) -> Blocks:
    try:
        with path.open("rb") as file:
            yield from _blocks(file)
    except OSError as error:
        raise WeightsError(f"{path} can't be read ({error.strerror})") from error


def extract_member(archive: Path, source: ArchiveMember | HttpsMember, *, entry: Entry, target: Path) -> None:
    """Writes a member of an archive to `target`, under a temporary name until its hash is known to be right."""
    assert entry.sha256 is not None
    temporary = archive.with_name(f"{entry.id}.member")
    if not _place(_unpacked(archive, source), target, sha256=entry.sha256, temporary=temporary):
        raise WeightsError(
            f"{source.member} of {source.archive} is not what the manifest states; install Facelane anew"
        )


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


def _place(blocks: Blocks, target: Path, *, sha256: str, temporary: Path) -> bool:
    """Writes `target` if the bytes are the right ones, and says whether they are; `temporary` is gone in any case."""
    try:
        right = _write(blocks, temporary) == sha256
        if right:
            with writing(target.parent):
                temporary.replace(target)
        return right
    finally:
        with writing(temporary.parent):
            temporary.unlink(missing_ok=True)


def _write(blocks: Blocks, path: Path) -> str:
    """Writes `path` and returns its SHA-256. What goes wrong in `blocks` is theirs, what in writing a LocalError."""
    digest = hashlib.sha256()
    with closing(blocks), writing(path.parent), path.open("wb") as file:
        for block in blocks:
            digest.update(block)
            file.write(block)
    return digest.hexdigest()
