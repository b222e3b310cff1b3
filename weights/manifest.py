"""What weights exist: the manifest, read strictly."""

from __future__ import annotations

import re
import tomllib
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


Source = PackageFile | ArchiveMember


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the manifest. `size` in bytes; `sources` in the order in which they are tried."""

    id: str
    purpose: str
    licence: str
    terms: str
    sha256: str
    size: int
    sources: tuple[Source, ...]

    def __post_init__(self) -> None:
        _check_sha256(self.sha256)
        if self.size <= 0 or not self.sources:
            raise ValueError("an entry has bytes and at least one source")

    @property
    def digest(self) -> str:
        """The id and the first 12 digits of the SHA-256: enough for a report to say which weights it means."""
        return f"{self.id}@{self.sha256[:12]}"


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
        return Entry(id=name, size=fields.pop("bytes"), sources=sources, **fields)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: the entry [{name}] is wrong ({error}); see the head of the file") from error


def _read_source(table: Mapping[str, Any]) -> Source:
    fields = dict(table)
    kind = fields.pop("kind")
    if kind == "package":
        return PackageFile(**fields)
    if kind in ("wheel", "sdist"):
        return ArchiveMember(kind=kind, **fields)
    raise ValueError(f"there is no source kind {kind!r}")


def _check_sha256(text: str) -> None:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError(f"sha256 is 64 hexadecimal digits, not {text!r}")
