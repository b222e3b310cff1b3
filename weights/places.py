"""The two places where files of the manifest lie: the package itself, and a folder for what is fetched and imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from weights.disk import reading, sha256_of
from weights.errors import WeightsError
from weights.manifest import Entry, PackageFile

PACKAGE_FILES = Path(__file__).with_name("files")


def default_folder(environ: Mapping[str, str]) -> Path:
    """$FACELANE_WEIGHTS, or facelane/weights in $XDG_CACHE_HOME, or that in ~/.cache."""
    if chosen := environ.get("FACELANE_WEIGHTS"):
        return Path(chosen).expanduser()
    cache = environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "facelane" / "weights"


def engine_folder(environ: Mapping[str, str]) -> Path:
    """facelane/tensorrt in the user's cache: engines that were built for the card here."""
    cache = environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "facelane" / "tensorrt"


def is_sound(path: Path, entry: Entry) -> bool:
    """Whether the file is there and has the entry's bytes; LocalError if that can't be seen."""
    with reading(path):
        try:
            size = path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return False
        return entry.size in (None, size) and sha256_of(path) == entry.sha256


def package_file(entry: Entry) -> Path | None:
    """The entry's file in the package, if it has one there. Raises WeightsError where that is not as it was made."""
    for source in entry.sources:
        if not isinstance(source, PackageFile):
            continue
        path = PACKAGE_FILES / source.file
        if is_sound(path, entry):
            return path
        if path.exists():
            raise WeightsError(f"{path} is not the file that the manifest names for {entry.id}; install Facelane anew")
    if all(isinstance(source, PackageFile) for source in entry.sources):
        raise WeightsError(f"{entry.id} is not in {PACKAGE_FILES}, where it should be; install Facelane anew")
    return None
