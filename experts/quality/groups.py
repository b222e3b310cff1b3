"""Whom a sample shows, and with whom they are compared, so that it is seen whether some fare worse."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from experts.contract import Image
from experts.quality.sample import Points, Subject
from experts.quality.skin import tone, typology_angle
from experts.training.photos import Photo

SKIN = "skin tone"
_COLUMNS = ("group", "set")
"""Of `faces.csv`: the first that is there names the groups."""


def skin(picture: Image, landmarks: Points) -> dict[str, str]:
    """The group that a photograph itself shows, see `experts.quality.skin`."""
    return {SKIN: tone(typology_angle(picture, landmarks))}


def subjects(folder: Path, photos: Sequence[Photo]) -> dict[Path, Subject]:
    """Of each photograph of a folder: the person its `faces.csv` names (column `person`; else every photograph is one
    of its own), the table's column `group` or, without one, `set`, and the skin tone. Raises ExpertError for a
    photograph that can't be read."""
    table = folder / "faces.csv"
    rows = _rows(folder, table) if table.is_file() else {}
    return {photo.path: _subject(photo, rows.get(photo.path, {})) for photo in photos}


def _rows(folder: Path, table: Path) -> dict[Path, dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as lines:
        return {folder / row["file"]: row for row in csv.DictReader(lines)}


def _subject(photo: Photo, row: Mapping[str, str]) -> Subject:
    column = next((name for name in _COLUMNS if row.get(name)), None)
    stated = {} if column is None else {column: row[column]}
    return Subject(row.get("person") or str(photo.path), stated | skin(photo.read(), photo.landmarks))
