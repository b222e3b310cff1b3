"""A report of the bench as people read it in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console

from experts.quality.report import HEADS, Report
from experts.quality.tables import Table


def print_report(report: Report, console: Console) -> None:
    """Tables, however wide: a terminal that is narrower shows them folded, but nothing is left out."""
    for source in report.sources:
        console.print(f"\n{source.capitalize()}", style="bold")
        _print(report.details(source), 2, console)
        console.print(HEADS["gains"], soft_wrap=True)
        _print(report.gains(source), 1, console)
        people = report.people(source)
        if people is not None:
            console.print(HEADS["people"], soft_wrap=True)
            _print(people, 1, console)
    for absent in report.absent:
        console.print(f"absent: {absent.name}: {absent.reason}", markup=False, highlight=False, soft_wrap=True)
    for note in report.notes:
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)


def _print(table: Table, kept: int, console: Console) -> None:
    for line in _lines(table, kept):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(table: Sequence[Sequence[str]], kept: int) -> Iterator[str]:
    """Padded columns, an empty line where one of the first `kept` columns changes."""
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    for _, lines in groupby(table, key=lambda line: tuple(line[:kept])):
        for line in lines:
            yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        yield ""
