"""What weights exist: the manifest, read strictly."""

from __future__ import annotations

import re
import tomllib
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from weights.errors import WeightsError

MANIFEST = Path(__file__).with_name("manifest.toml")


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file that lies in `weights/files` of this package."""

    file: str

    def __post_init__(self) -> None:
        if PurePosixPath(self.file).name != self.file:
            raise ValueError(f"file is a bare name, not {self.file!r}")


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """A member of an archive on the package index. `sha256` is the archive's."""

    kind: Literal["wheel", "sdist"]
    distribution: str
    version: str
    archive: str
    sha256: str
    member: str

    def __post_init__(self) -> None:
        _check_sha256(self.sha256)
        if not self.archive.endswith(".whl" if self.kind == "wheel" else ".tar.gz"):
            raise ValueError(f"{self.archive} is not the name of a {self.kind}")


@dataclass(frozen=True, slots=True)
class HttpsFile:
    """A file at an address of its project."""

    url: str

    def __post_init__(self) -> None:
        _check_https(self.url)

    @property
    def file(self) -> str:
        """What the project calls it."""
        return _file_name(self.url)


@dataclass(frozen=True, slots=True)
class HttpsMember:
    """A member of a zip archive at an address of its project. `sha256` is the archive's."""

    url: str
    sha256: str
    member: str
    kind: Literal["zip"] = "zip"

    def __post_init__(self) -> None:
        _check_https(self.url)
        _check_sha256(self.sha256)

    @property
    def archive(self) -> str:
        return _file_name(self.url)


Source = PackageFile | ArchiveMember | HttpsFile | HttpsMember


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the manifest. `size` in bytes; `sources` in the order in which they are tried.

    `sha256` and `size` are None where nobody has published them; without a SHA-256 a file is never fetched, only
    imported by hand. `commercial_use`: whether the licence allows it; if not, a user has to accept it first.
    """

    id: str
    purpose: str
    licence: str
    terms: str
    sha256: str | None
    size: int | None
    sources: tuple[Source, ...]
    commercial_use: bool = True

    def __post_init__(self) -> None:
        if self.sha256 is not None:
            _check_sha256(self.sha256)
        if (self.size is not None and self.size <= 0) or not self.sources:
            raise ValueError("an entry has bytes and at least one source")
        stated = self.sha256 is not None and self.size is not None
        if not stated and not all(isinstance(source, HttpsFile) for source in self.sources):
            raise ValueError("sha256 and bytes may be absent only where every source is of kind https")
        if not isinstance(self.commercial_use, bool):
            raise TypeError("commercial_use is true or false")

    @property
    def digest(self) -> str:
        """The id and the first 12 digits of the SHA-256: enough for a report to say which weights it means."""
        return f"{self.id}@{self.sha256[:12]}" if self.sha256 else self.id

    @property
    def file_name(self) -> str:
        """What it is called in the folder of fetched weights. Raises ValueError where the SHA-256 is not known."""
        if self.sha256 is None:
            raise ValueError(f"{self.id} has no known SHA-256")
        first = self.sources[0]
        published = first.file if isinstance(first, PackageFile | HttpsFile) else first.member
        return f"{self.id}-{self.sha256[:12]}{PurePosixPath(published).suffix}"


def read_manifest(path: Path = MANIFEST) -> dict[str, Entry]:
    """The entries of a manifest by id. Raises WeightsError where it is not exactly as its head says."""
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise WeightsError(f"{path} is not a readable manifest ({error}); install Facelane anew") from error
    return {name: _read_entry(name, table, path=path) for name, table in tables.items()}


def _read_entry(name: str, table: Mapping[str, Any], *, path: Path) -> Entry:
    fields = dict(table)
    try:
        sources = tuple(_read_source(source) for source in fields.pop("source"))
        sha256, size = fields.pop("sha256", None), fields.pop("bytes", None)
        return Entry(id=name, sha256=sha256, size=size, sources=sources, **fields)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: the entry [{name}] is wrong ({error}); see the head of the file") from error


def _read_source(table: Mapping[str, Any]) -> Source:
    fields = dict(table)
    kind = fields.pop("kind")
    if kind == "package":
        return PackageFile(**fields)
    if kind in ("wheel", "sdist"):
        return ArchiveMember(kind=kind, **fields)
    if kind == "https":
        return HttpsFile(**fields)
    if kind == "zip":
        return HttpsMember(**fields)
    raise ValueError(f"there is no source kind {kind!r}")


def _check_sha256(text: str) -> None:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError(f"sha256 is 64 hexadecimal digits, not {text!r}")


def _check_https(url: str) -> None:
    if not url.startswith("https://") or not _file_name(url):
        raise ValueError(f"url is an https address of a file, not {url!r}")


def _file_name(url: str) -> str:
    return PurePosixPath(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).name
