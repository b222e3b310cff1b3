"""What can go wrong with sources, sinks and settings, and the exit code of each.

    FacelaneError                 1
    ├── UsageError                2    words or settings that make no sense
    ├── SourceError               3    the input is missing or can't be read as media
    │   ├── NoVideoError          4    it has no video (or no frame that can be decoded)
    │   └── UnsupportedError      5    it has video of a kind that would come out wrong
    ├── SinkError                 6    the output can't be written
    │   ├── OutputExistsError     7    it is there already, and --overwrite was not given
    │   └── DiskFullError         8    no space left
    ├── ProcessingError          10    a stage failed for good
    └── ListenError              13    the web server can't have its address

Weights have their own root (`weights.store.WeightsError`), exit code 9. A truncated or damaged input that gave an
output ends with 11, `doctor` with 12 where the main job can't run; a signal with 128 and its number, as the shell has
it: Ctrl-C 130, SIGTERM 143, a closed terminal 129, and 141 where whoever read what was printed went away. That is how
`serve` ends; `watch`, which a signal ends as it should, ends with 0 if it recorded anything.
"""

from __future__ import annotations

import signal
from typing import ClassVar


class FacelaneError(Exception):
    """Root of this room: one line that says what is wrong and what to do."""

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False


class UsageError(FacelaneError):
    exit_code = 2


class SourceError(FacelaneError):
    exit_code = 3


class NoVideoError(SourceError):
    exit_code = 4


class UnsupportedError(SourceError):
    exit_code = 5


class SinkError(FacelaneError):
    exit_code = 6


class OutputExistsError(SinkError):
    exit_code = 7


class DiskFullError(SinkError):
    exit_code = 8


class ProcessingError(FacelaneError):
    exit_code = 10


class ListenError(FacelaneError):
    exit_code = 13


EXIT_WEIGHTS = 9
EXIT_DAMAGED = 11
EXIT_NOT_READY = 12
EXIT_BY_SIGNAL = 128
EXIT_UNREAD = EXIT_BY_SIGNAL + signal.SIGPIPE
