"""Where weights lie: in the package, in the cache, or on the package index, from which they are fetched once."""

from __future__ import annotations

import difflib
import hashlib
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from filelock import FileLock

from weights.errors import LocalError, WeightsError
from weights.fetch import Say, extract_member, fetched_archive, writing
from weights.manifest import ArchiveMember, Entry, PackageFile, read_manifest

__all__ = ["Store", "StoreSettings", "WeightsError", "sha256_of"]

logger = logging.getLogger(__name__)

PACKAGE_FILES = Path(__file__).with_name("files")


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where fetched weights are kept and whether fetching is allowed.

    `folder`: None stands for $FACELANE_WEIGHTS, or else facelane/weights in the user's cache folder ($XDG_CACHE_HOME).
    """

    folder: Path | None = None
    offline: bool = False


class Store:
    """Finds the files of the manifest. Whatever it returns has the SHA-256 that the manifest states.

    Safe from many threads, and from many processes that share the folder. `say` is told, once for each archive that is
    fetched, what comes and how large it is: a user should know why nothing else happens.
    """

    def __init__(
        self,
        settings: StoreSettings | None = None,
        *,
        manifest: Mapping[str, Entry] | None = None,
        say: Say = logger.info,
    ) -> None:
        self._say = say
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
        """The manifest's entry of that id; WeightsError with the nearest id if there is none."""
        if name in self._manifest:
            return self._manifest[name]
        near = difflib.get_close_matches(name, self._manifest, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(self._manifest))}"
        raise WeightsError(f"the manifest has no weights {name!r}; {hint}")

    def find(self, name: str) -> Path:
        """The path of a file of the manifest: verified, and fetched first where that is needed.

        A damaged file in the folder is set aside, and fetched anew. Raises WeightsError if it is unknown, can't be read
        or can't be fetched; `retryable` if the network was at fault.
        """
        entry = self.entry(name)
        with self._lock:
            if name not in self._verified:
                self._verified[name] = self._here(entry) or self._fetch(entry)
            return self._verified[name]

    def present(self, name: str) -> Path | None:
        """The path if the file lies here already and is sound; nothing is fetched, moved or written.

        Raises WeightsError if it can't be read, or is one of this package and damaged.
        """
        return self._here(self.entry(name))

    def _here(self, entry: Entry) -> Path | None:
        in_package = _package_file(entry)
        if in_package is not None:
            return in_package
        path = self._cached(entry)
        return path if _is_sound(path, entry) else None

    def _cached(self, entry: Entry) -> Path:
        member = next(source.member for source in entry.sources if isinstance(source, ArchiveMember))
        return self.folder / f"{entry.id}-{entry.sha256[:12]}{PurePosixPath(member).suffix}"

    def _fetch(self, entry: Entry) -> Path:
        path = self._cached(entry)
        if self._settings.offline:
            state = f"is damaged ({path})" if path.exists() else f"is not in {path.parent}"
            raise WeightsError(f"{entry.id} {state} and offline is set; run once with offline off")
        with self._locked():
            # Another process may have brought it while this one waited for the lock.
            found = self._here(entry)
            if found is not None:
                return found
            self._set_aside(path)
            return self._fetch_any(entry)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The folder, made if need be, for this process alone."""
        lock = FileLock(self.folder / ".lock")
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _set_aside(self, path: Path) -> None:
        """Moves a damaged file out of the way, where somebody may look into what happened to it."""
        if not path.exists():
            return
        aside = path.with_name(f"{path.name}.corrupt")
        with writing(path.parent):
            path.replace(aside)
        logger.warning("%s is damaged; it was set aside as %s", path, aside.name)

    def _fetch_any(self, entry: Entry) -> Path:
        sources = [source for source in entry.sources if isinstance(source, ArchiveMember)]
        for source in sources[:-1]:
            try:
                return self._fetch_archive(entry, source)
            except LocalError:
                raise
            except WeightsError as error:
                logger.warning("%s; trying the next source", error)
        return self._fetch_archive(entry, sources[-1])

    def _fetch_archive(self, entry: Entry, source: ArchiveMember) -> Path:
        with fetched_archive(source, folder=self.folder, say=self._say) as archive:
            for sibling in self._manifest.values():
                # One archive often holds several files: all are taken while it is here.
                for other in sibling.sources:
                    if isinstance(other, ArchiveMember) and other.sha256 == source.sha256:
                        extract_member(archive, other, entry=sibling, target=self._cached(sibling))
        return self._cached(entry)


def default_folder(environ: Mapping[str, str]) -> Path:
    """$FACELANE_WEIGHTS, or facelane/weights in $XDG_CACHE_HOME, or that in ~/.cache."""
    if chosen := environ.get("FACELANE_WEIGHTS"):
        return Path(chosen).expanduser()
    cache = environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "facelane" / "weights"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_sound(path: Path, entry: Entry) -> bool:
    """Whether the file is there and has the entry's bytes; LocalError if that can't be seen."""
    try:
        return path.stat().st_size == entry.size and sha256_of(path) == entry.sha256
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        advice = "make it readable, or choose another folder by FACELANE_WEIGHTS"
        raise LocalError(f"{path} can't be read ({error.strerror}); {advice}") from error


def _package_file(entry: Entry) -> Path | None:
    for source in entry.sources:
        if not isinstance(source, PackageFile):
            continue
        path = PACKAGE_FILES / source.file
        if _is_sound(path, entry):
            return path
        if path.exists():
            raise WeightsError(f"{path} is not the file that the manifest names for {entry.id}; install Facelane anew")
    if all(isinstance(source, PackageFile) for source in entry.sources):
        raise WeightsError(f"{entry.id} is not in {PACKAGE_FILES}, where it should be; install Facelane anew")
    return None
