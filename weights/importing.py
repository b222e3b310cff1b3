"""A file that the user has, brought under the store's care."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from weights.disk import writing
from weights.errors import WeightsError
from weights.manifest import Entry, HttpsFile, HttpsMember
from weights.records import Records

BLOCK = 1 << 20


def bring(file: Path, entry: Entry, *, folder: Path, records: Records) -> Path:
    """Copies `file` to its place in `folder`, whose lock the caller holds, and returns that.

    It must have the SHA-256 that the manifest states; where it states none, the file must hold tensors, and its own
    SHA-256 is kept among the records. Raises WeightsError; what was there before is then as it was.
    """
    copy = folder / f"{entry.id}.import.part"
    try:
        sha256, size = _copy(file, copy)
        if entry.sha256 not in (None, sha256):
            raise WeightsError(
                f"{file} is not {entry.id}: its SHA-256 is {sha256} ({size} bytes), and the published file's is "
                f"{entry.sha256}; get it anew from {_origin(entry)}"
            )
        if entry.sha256 is None:
            _check_unknown(file)
        target = folder / replace(entry, sha256=sha256).file_name
        with writing(folder):
            copy.replace(target)
        if entry.sha256 is None:
            _remember(entry, target, sha256=sha256, size=size, origin=file, records=records)
    finally:
        copy.unlink(missing_ok=True)
    return target


def _remember(entry: Entry, target: Path, *, sha256: str, size: int, origin: Path, records: Records) -> None:
    before = records.imported(entry.id)
    records.note_import(entry.id, sha256=sha256, size=size, origin=origin)
    if before is not None and before.sha256 != sha256:
        with writing(target.parent):
            target.with_name(replace(entry, sha256=before.sha256).file_name).unlink(missing_ok=True)


def _check_unknown(file: Path) -> None:
    """Of what nobody has published a SHA-256 this much can be known: that it is tensors, and no code."""
    from weights.loading import load_torch_file  # brings torch, which nobody else needs who looks for files

    load_torch_file(file)


def _origin(entry: Entry) -> str:
    urls = [source.url for source in entry.sources if isinstance(source, HttpsFile | HttpsMember)]
    return urls[0] if urls else "the package index"


def _copy(file: Path, target: Path) -> tuple[str, int]:
    """Returns the SHA-256 and the bytes of what was copied."""
    digest, size = hashlib.sha256(), 0
    with writing(target.parent), target.open("wb") as copy:
        for block in _blocks(file):
            digest.update(block)
            size += len(block)
            copy.write(block)
    return digest.hexdigest(), size


def _blocks(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as opened:
            while block := opened.read(BLOCK):
                yield block
    except OSError as error:
        raise WeightsError(f"{file} can't be read ({error.strerror}); name a file of weights") from error
