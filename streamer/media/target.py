"""The file that will be there at the end: checked first, written under a passing name, renamed when whole."""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from streamer.errors import DiskFullError, OutputExistsError, SinkError

# A file that outgrows what its file system or a quota allows is as full as a disk without blocks.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Target:
    """A file in the making. The passing name lies beside the final one, so that renaming is one step on one disk."""

    def __init__(self, path: Path, *, source: Path | None, overwrite: bool) -> None:
        """Claim a passing name for `path`. `source`: the file that must not be replaced, None where it is no file.

        Raises OutputExistsError, DiskFullError or SinkError where `path` can't become a file, or is the source itself.
        """
        self.path = path.absolute()
        self._overwrite = overwrite
        with writing(self.path):
            # A link stays a link: what it points to is written.
            self._final = path.resolve()
            check_target(self.path, source=source, overwrite=overwrite)
            name = f".{self.path.stem[:40]}.part-{secrets.token_hex(4)}{self.path.suffix}"
            self.part = self._final.with_name(name)
            os.close(os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))

    def publish(self) -> None:
        """Give the file its name. Raises OutputExistsError where another file took it meanwhile, not to be replaced."""
        with writing(self.path):
            if self._overwrite:
                self.part.replace(self._final)
            else:
                _rename_new(self.part, self._final)

    def discard(self) -> None:
        """Remove what was written; nothing happens where nothing is left."""
        self.part.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raises as `Target` where no file can be made or replaced at `path`; it is tried, and nothing is left of that."""
    Target(path, source=None, overwrite=True).discard()


def make_folder(folder: Path) -> None:
    """A folder to write into, made if need be. Raises DiskFullError or SinkError where that can't be; it is tried."""
    with writing(folder):
        if folder.exists() and not folder.is_dir():
            raise SinkError(f"{folder} is no folder: write to another name")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system or FFmpeg says while `path` is written into an error of ours."""
    try:
        yield
    except FileExistsError as error:
        raise _exists(path) from error
    except (OSError, av.FFmpegError) as error:
        if error.errno in _FULL:
            raise DiskFullError(f"no space left to write {path}: free some, or write to another disk") from error
        what = f"{path} can't be written ({error.strerror or type(error).__name__})"
        if isinstance(error, OSError):
            raise SinkError(f"{what}: check the folder and its permissions") from error
        raise SinkError(f"{what}: FFmpeg refuses; try another codec or container") from error


def check_target(path: Path, *, source: Path | None, overwrite: bool) -> None:
    """What can be known before anything is made. Raises OutputExistsError or SinkError; OSError where the path itself
    can't be looked at."""
    if path.is_dir():
        raise SinkError(f"{path} is a folder: name a file in it")
    if not path.resolve().parent.is_dir():
        raise SinkError(f"{path.resolve().parent} is no folder that exists: make it first")
    if not path.exists():
        return
    if source is not None and source.exists() and path.samefile(source):
        raise SinkError(f"{path} is the input itself: write to another name")
    if not path.is_file():
        raise SinkError(f"{path} is not a regular file: write to another name")
    if not overwrite:
        raise _exists(path)


def _exists(path: Path) -> OutputExistsError:
    return OutputExistsError(f"{path} exists: use --overwrite, or write to another name")


def _rename_new(part: Path, path: Path) -> None:
    """Rename without ever replacing; where a disk knows no links, the last look is as close as we get."""
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        part.rename(path)
    else:
        part.unlink()
