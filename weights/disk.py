"""What goes wrong with this machine's own files, as errors of this room; and the SHA-256 of a file."""

from __future__ import annotations

import errno
import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weights.errors import LocalError

logger = logging.getLogger(__name__)

# A file that outgrows what its file system or a quota allows is as full as a disk without blocks.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns what the system says while something is written in `folder` into a LocalError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            advice = "free some, or choose another folder by FACELANE_WEIGHTS"
            raise LocalError(f"no space left to write weights to {folder}; {advice}") from error
        advice = "make it writeable, or choose another folder by FACELANE_WEIGHTS"
        raise LocalError(f"{folder} can't be written to ({error.strerror}); {advice}") from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what the system says while `path` is read into a LocalError."""
    try:
        yield
    except OSError as error:
        advice = "make it readable, or choose another folder by FACELANE_WEIGHTS"
        raise LocalError(f"{path} can't be read ({error.strerror}); {advice}") from error


def set_aside(path: Path) -> Path:
    """Moves a damaged file out of the way, where somebody may look into what happened to it; returns where it is."""
    aside = path.with_name(f"{path.name.removesuffix('.part')}.corrupt")
    with writing(path.parent):
        path.replace(aside)
    return aside


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
