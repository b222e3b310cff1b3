"""Puts a file of weights into the package, in the place of the one there: the file itself, and what the manifest says
of its bytes."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from weights.disk import writing
from weights.errors import WeightsError
from weights.manifest import MANIFEST, PackageFile, read_manifest
from weights.store import PACKAGE_FILES, sha256_of


def ship(id: str, file: Path, *, manifest: Path = MANIFEST, folder: Path = PACKAGE_FILES) -> str:
    """Copies `file` to where the entry `id` has its own, renews the entry's sha256 and bytes, and returns its digest.

    Raises WeightsError where there is no entry of a file in the package under that id, or a file can't be read or
    written; the manifest then says what it said.
    """
    entry = read_manifest(manifest).get(id)
    names = [source.file for source in entry.sources if isinstance(source, PackageFile)] if entry else []
    if not names:
        raise WeightsError(f"{manifest} has no entry [{id}] of a file in the package; write one first")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise WeightsError(f"{file} can't be read ({error.strerror}); name a file of weights") from error
    target = folder / names[0]
    with writing(folder):
        _replace(target, content)
    with writing(manifest.parent):
        text = _renewed(manifest.read_text("utf-8"), id, sha256=sha256_of(target), size=len(content))
        _replace(manifest, text.encode())
    return read_manifest(manifest)[id].digest


def _renewed(text: str, id: str, *, sha256: str, size: int) -> str:
    """The manifest with other bytes for one entry, and with all its comments."""
    head, mark, rest = text.partition(f"[{id}]\n")
    rest = re.sub(r'(?m)^sha256 = ".*"$', f'sha256 = "{sha256}"', rest, count=1)
    return head + mark + re.sub(r"(?m)^bytes = .*$", f"bytes = {size}", rest, count=1)


def _replace(path: Path, content: bytes) -> None:
    """At every moment the file is the old one or the new."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m weights.ship", description=__doc__)
    parser.add_argument("id", help="of the entry in the manifest, such as facelane-transformer-crisp")
    parser.add_argument("file", type=Path, help="as `facelane train` wrote it")
    chosen = parser.parse_args(arguments)
    try:
        digest = ship(chosen.id, chosen.file)
    except WeightsError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{digest}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
