"""What the folder of fetched weights remembers beside them: whose terms were accepted, and what was imported unseen."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from weights.disk import reading, writing
from weights.errors import WeightsError
from weights.manifest import Entry

Record = TypeVar("Record")

ACCEPTED, IMPORTED = "accepted-licences.json", "imported.json"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Who accepted which terms, and when (UTC, ISO 8601)."""

    licence: str
    terms: str
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Import:
    """The bytes of a file that the manifest states no SHA-256 of, as it was when a user brought it."""

    sha256: str
    size: int
    origin: str
    at: str


class Records:
    """Two small JSON files in `folder`. Whoever writes holds the folder's lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def acceptance(self, entry: Entry) -> Acceptance | None:
        """Whether the entry's terms were accepted, as they are stated now."""
        found = self._read(ACCEPTED, Acceptance).get(entry.id)
        return found if found is not None and (found.licence, found.terms) == (entry.licence, entry.terms) else None

    def accept(self, entry: Entry) -> None:
        made = Acceptance(licence=entry.licence, terms=entry.terms, by=_user(), at=_now())
        self._write(ACCEPTED, {**self._read(ACCEPTED, Acceptance), entry.id: made})

    def imported(self, name: str) -> Import | None:
        return self._read(IMPORTED, Import).get(name)

    def note_import(self, name: str, *, sha256: str, size: int, origin: Path) -> None:
        made = Import(sha256=sha256, size=size, origin=str(origin.absolute()), at=_now())
        self._write(IMPORTED, {**self._read(IMPORTED, Import), name: made})

    def _read(self, name: str, kind: type[Record]) -> dict[str, Record]:
        path = self._folder / name
        with reading(path):
            text = path.read_text("utf-8") if path.exists() else "{}"
        try:
            return {id: kind(**fields) for id, fields in json.loads(text).items()}
        except (ValueError, TypeError, AttributeError) as error:
            advice = "delete it, and accept or import again"
            raise WeightsError(f"{path} is damaged ({' '.join(str(error).split())}); {advice}") from error

    def _write(self, name: str, records: Mapping[str, Any]) -> None:
        path = self._folder / name
        unfinished = path.with_name(f"{name}.part")
        text = json.dumps({id: asdict(record) for id, record in sorted(records.items())}, indent=2)
        with writing(self._folder):
            unfinished.write_text(text + "\n", "utf-8")
            unfinished.replace(path)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container a user often has no name.
        return f"uid {os.getuid()}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
