"""Bars that show how far something is: drawn on a terminal, nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn

T = TypeVar("T")


def bar(console: Console | None, *columns: ProgressColumn, redirect_stdout: bool = True) -> Progress:
    """What is done, a bar, and `columns`. `redirect_stdout`: whether lines that are printed meanwhile are brought
    above it."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        console=console,
        transient=True,
        redirect_stdout=redirect_stdout,
        disable=console is None or not console.is_terminal,
    )


def counting_bar(console: Console | None) -> Progress:
    """For `counted`."""
    return bar(console, MofNCompleteColumn(), TimeElapsedColumn())


def counted(shown: Progress, what: str, total: int | None, items: Iterable[T]) -> Iterator[T]:
    """The items; one is done when the next is asked for."""
    task = shown.add_task(what, total=total)
    for item in items:
        yield item
        shown.advance(task)
