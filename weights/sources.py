"""From where the files of the manifest come: each source in its order, until one has the right bytes."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from weights.disk import reading, sha256_of, writing
from weights.errors import LocalError, WeightsError
from weights.fetch import bring_archive, extract_member
from weights.https import Downloader, Remote, Say, Watch
from weights.manifest import ArchiveMember, Entry, HttpsFile, HttpsMember, PackageFile

logger = logging.getLogger(__name__)


class Sources:
    """Brings files into `folder`, whose lock the caller holds. `entries` are all that may be brought: one archive often
    holds several, and all of them are taken while it is here."""

    def __init__(self, folder: Path, entries: Iterable[Entry], *, say: Say, watch: Watch | None) -> None:
        self._folder = folder
        self._entries = tuple(entries)
        self._say = say
        self._watch = watch

    def fetch(self, entry: Entry) -> Path:
        """Raises WeightsError of the last source, `retryable` if the network was at fault; the others' are logged."""
        sources = [source for source in entry.sources if not isinstance(source, PackageFile)]
        for source in sources[:-1]:
            try:
                return self._fetch_from(source, entry)
            except LocalError:
                raise
            except WeightsError as error:
                logger.warning("%s; trying the next source", error)
        return self._fetch_from(sources[-1], entry)

    def _fetch_from(self, source: ArchiveMember | HttpsFile | HttpsMember, entry: Entry) -> Path:
        target = self._folder / entry.file_name
        if isinstance(source, HttpsFile):
            assert entry.sha256 is not None
            self._download(Remote(source.url, source.file, entry.sha256, entry.size), target, entry)
        else:
            self._fetch_archive(source, entry)
        return target

    def _fetch_archive(self, source: ArchiveMember | HttpsMember, entry: Entry) -> None:
        # A place with a name of its own, so that the next run finds what has come.
        place = self._folder / f".archive-{source.sha256[:12]}"
        archive = place / source.archive
        if not _is_whole(archive, source.sha256):
            self._bring(source, archive, entry)
        try:
            self._take_out(archive, source)
        except LocalError:
            raise
        except WeightsError:
            # The archive is the right one: what is wrong with it is wrong for good.
            shutil.rmtree(place, ignore_errors=True)
            raise
        shutil.rmtree(place, ignore_errors=True)

    def _bring(self, source: ArchiveMember | HttpsMember, archive: Path, entry: Entry) -> None:
        with writing(self._folder):
            archive.parent.mkdir(exist_ok=True)
        if isinstance(source, ArchiveMember):
            bring_archive(source, archive, say=self._say, watch=self._watch)
        else:
            self._download(Remote(source.url, source.archive, source.sha256), archive, entry)

    def _take_out(self, archive: Path, source: ArchiveMember | HttpsMember) -> None:
        for sibling in self._entries:
            for other in sibling.sources:
                if isinstance(other, ArchiveMember | HttpsMember) and other.sha256 == source.sha256:
                    extract_member(archive, other, entry=sibling, target=self._folder / sibling.file_name)

    def _download(self, remote: Remote, target: Path, entry: Entry) -> None:
        try:
            Downloader(say=self._say, watch=self._watch).fetch(remote, target)
        except LocalError:
            raise
        except WeightsError as error:
            advice = f"check the network, or get the file elsewhere and run: facelane weights import {entry.id} FILE"
            raise WeightsError(f"{entry.id} can't be fetched ({error}); {advice}", retryable=error.retryable) from error


def _is_whole(archive: Path, sha256: str) -> bool:
    with reading(archive):
        return archive.is_file() and sha256_of(archive) == sha256
