"""What every command's words are built of."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NoReturn

from streamer.errors import UsageError


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, as every other error does."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def add_command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    """A command that says what it does, and has what all have."""
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + "."
    )
    command.add_argument("-v", "--verbose", action="store_true", help="say more about what is going on")
    command.add_argument("--config", type=Path, metavar="FILE", help="settings (as config.toml of the repository)")
    return command


def add_fidelity(command: argparse.ArgumentParser) -> None:
    text = "how faces are restored: from 0, crisp, with more detail, to 1, faithful, as near to the truth as can be"
    command.add_argument("--fidelity", type=float, metavar="F", help=text)


def comma_separated(text: str) -> tuple[str, ...]:
    """ "a, b" to ("a", "b")."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
