"""A report of the bench as people read it in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console

from experts.quality.report import Report


def print_report(report: Report, console: Console) -> None:
    """Tables, however wide: a terminal that is narrower shows them folded, but nothing is left out."""
    for source in dict.fromkeys(row.group.source for row in report.rows):
        console.print(f"\n[bold]{source.capitalize()}[/bold]")
        for line in _lines(report.table(source)):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    for absent in report.absent:
        console.print(f"absent: {absent.name}: {absent.reason}", markup=False, highlight=False, soft_wrap=True)
    for note in report.notes:
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)


def _lines(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Padded columns, an empty line before each group of rows."""
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    for _, lines in groupby(table, key=lambda line: tuple(line[:2])):
        for line in lines:
            yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        yield ""
