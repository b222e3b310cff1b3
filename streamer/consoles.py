"""Where words to people go: results to the standard output, everything else to the standard error."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from rich.console import Console

from streamer.errors import EXIT_UNREAD


class _ResultConsole(Console):
    def on_broken_pipe(self) -> NoReturn:
        """Whoever read our output went away (`facelane probe x | head`): nothing more can be said, nothing is wrong."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(EXIT_UNREAD)


def results() -> Console:
    """For results. No markup: names of files and streams hold brackets."""
    return _ResultConsole(highlight=False, markup=False)


def errors() -> Console:
    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def say(words: str) -> None:
    """One line about what is going on."""
    errors().print(f"facelane: {words}")
