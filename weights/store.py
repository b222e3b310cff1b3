"""Where weights lie: in the package, or in a folder of fetched and imported files, into which they are brought once."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from weights.disk import set_aside, sha256_of, writing
from weights.errors import LocalError, WeightsError
from weights.https import Say, Watch
from weights.importing import bring
from weights.manifest import Entry, PackageFile, read_manifest
from weights.places import PACKAGE_FILES, default_folder, is_sound, package_file
from weights.records import Acceptance, Records
from weights.refusals import by_hand, not_accepted, offline, unknown
from weights.sources import Sources

__all__ = [
    "PACKAGE_FILES",
    "Acceptance",
    "State",
    "Store",
    "StoreSettings",
    "WeightsError",
    "default_folder",
    "sha256_of",
]

logger = logging.getLogger(__name__)

State = Literal["package", "cache", "damaged", "absent"]


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where fetched weights are kept and whether fetching is allowed.

    `folder`: None stands for $FACELANE_WEIGHTS, or else facelane/weights in the user's cache folder ($XDG_CACHE_HOME).
    """

    folder: Path | None = None
    offline: bool = False


class Store:
    """Finds the files of the manifest. Whatever it returns has the SHA-256 that the manifest states, or, where that
    states none, the one that the file had when it was imported.

    Safe from many threads, and from many processes that share the folder. `say` is told, whenever a file is asked for,
    what comes, from where, and how large it is if the manifest says so: a user should know why nothing else happens.
    `watch` is told how far it is.
    """

    def __init__(
        self,
        settings: StoreSettings | None = None,
        *,
        manifest: Mapping[str, Entry] | None = None,
        say: Say = logger.info,
        watch: Watch | None = None,
    ) -> None:
        self._say = say
        self._watch = watch
        self._settings = settings or StoreSettings()
        self._manifest = read_manifest() if manifest is None else dict(manifest)
        self._verified: dict[str, Path] = {}
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path:
        """Where fetched files are kept."""
        chosen = self._settings.folder
        return chosen.expanduser() if chosen else default_folder(os.environ)

    @property
    def offline(self) -> bool:
        """Whether fetching is forbidden."""
        return self._settings.offline

    @property
    def entries(self) -> Mapping[str, Entry]:
        return self._manifest

    def entry(self, name: str) -> Entry:
        """The manifest's entry of that id, with the SHA-256 and size of the imported file where the manifest knows
        none; WeightsError with the nearest id if there is none."""
        if name not in self._manifest:
            raise unknown(name, self._manifest)
        entry = self._manifest[name]
        brought = self._records.imported(name) if entry.sha256 is None else None
        return replace(entry, sha256=brought.sha256, size=brought.size) if brought else entry

    def find(self, name: str) -> Path:
        """The path of a file of the manifest: verified, and fetched first where that is needed.

        A damaged file in the folder is set aside, and fetched anew. Raises WeightsError if it is unknown, its terms
        have to be accepted first, or it can't be read or fetched; `retryable` if the network was at fault.
        """
        entry = self.entry(name)
        with self._lock:
            if name not in self._verified:
                self.check_accepted(name)
                self._verified[name] = self._here(entry) or self._fetch(entry)
            return self._verified[name]

    def present(self, name: str) -> Path | None:
        """The path if the file lies here already and is sound; nothing is fetched, moved or written.

        Raises WeightsError if it can't be read, or is one of this package and damaged.
        """
        return self._here(self.entry(name))

    def state(self, name: str) -> State:
        """Where the file is, and whether it is sound; as `present`, it changes nothing."""
        entry = self.entry(name)
        try:
            path = self._here(entry)
        except LocalError:
            raise
        except WeightsError:
            return "damaged"
        if path is not None:
            return "cache" if path.parent == self.folder else "package"
        return "damaged" if entry.sha256 and (self.folder / entry.file_name).exists() else "absent"

    def acceptance(self, name: str) -> Acceptance | None:
        """Who accepted the terms of an entry, if somebody did."""
        return self._records.acceptance(self.entry(name))

    def accept(self, name: str) -> None:
        """Remembers in the folder that this user accepts the terms of an entry, as the manifest states them."""
        entry = self.entry(name)
        with self._locked():
            self._records.accept(entry)

    def check_accepted(self, name: str) -> None:
        """Raises WeightsError, with what to do, where the terms of an entry have to be accepted and nobody did."""
        entry = self.entry(name)
        if self._is_accepted(entry):
            return
        if entry.sha256 is None:
            raise by_hand(entry, accepted=False)
        raise not_accepted(entry, f"pull {name}")

    def check_fetchable(self, name: str) -> None:
        """Raises WeightsError, with what to do, for a file that is not here and that `find` wouldn't even ask for."""
        self.entry(name)
        published = self._manifest[name]
        if published.sha256 is None:
            raise by_hand(published, accepted=self._is_accepted(published))
        if self._settings.offline:
            raise offline(name, self.folder / published.file_name)

    def is_published(self, name: str) -> bool:
        """Whether a SHA-256 is known that the file must have, whoever brings it."""
        self.entry(name)
        return self._manifest[name].sha256 is not None

    def import_file(self, name: str, file: Path) -> Path:
        """Copies a file that the user has to where `find` looks, and returns its path there.

        Raises WeightsError if it is not the file that the manifest means, or its terms have to be accepted first.
        """
        self.entry(name)
        published = self._manifest[name]
        if any(isinstance(source, PackageFile) for source in published.sources):
            raise WeightsError(f"{name} is a part of Facelane; no other file can take its place")
        if not self._is_accepted(published):
            raise not_accepted(published, f"import {name} {file}")
        with self._lock, self._locked():
            self._verified.pop(name, None)
            return bring(file, published, folder=self.folder, records=self._records)

    @property
    def _records(self) -> Records:
        return Records(self.folder)

    def _is_accepted(self, entry: Entry) -> bool:
        return entry.commercial_use or self._records.acceptance(entry) is not None

    def _here(self, entry: Entry) -> Path | None:
        in_package = package_file(entry)
        if in_package is not None:
            return in_package
        if entry.sha256 is None:
            return None
        path = self.folder / entry.file_name
        return path if is_sound(path, entry) else None

    def _fetch(self, entry: Entry) -> Path:
        self.check_fetchable(entry.id)
        path = self.folder / entry.file_name
        with self._locked():
            # Another process may have brought it while this one waited for the lock.
            found = self._here(entry)
            if found is not None:
                return found
            if path.exists():
                logger.warning("%s is damaged; it was set aside as %s", path, set_aside(path).name)
            wanted = [each for each in self._manifest.values() if self._is_accepted(each)]
            return Sources(self.folder, wanted, say=self._say, watch=self._watch).fetch(entry)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The folder, made if need be, for this process alone."""
        lock = FileLock(self.folder / ".lock")
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                self._say(f"waiting for another process that brings weights into {self.folder} ...")
                lock.acquire()
        try:
            yield
        finally:
            lock.release()
