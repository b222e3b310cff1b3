"""What `facelane doctor` found, as lines of a table with advice below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from rich.console import Console
from rich.table import Table
from rich.text import Text


class State(Enum):
    """How grave a finding is. Only BAD keeps the main job from running. GOOD was tried or is known to do; INSTALLED was
    not tried, as nothing chosen needs it; ABSENT is not there, and nothing needs it."""

    GOOD = "ok"
    INSTALLED = "installed"
    ABSENT = "-"
    NOTE = "note"
    BAD = "missing"


_STYLES = {
    State.GOOD: "green",
    State.INSTALLED: "green",
    State.ABSENT: "dim",
    State.NOTE: "yellow",
    State.BAD: "bold red",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer. `advice` says what to do, and is empty where nothing is to be done."""

    topic: str
    name: str
    state: State
    value: str
    advice: str = ""


def can_process(findings: Sequence[Finding]) -> bool:
    """Whether the main job can run."""
    return all(finding.state is not State.BAD for finding in findings)


def render(findings: Sequence[Finding], console: Console) -> None:
    """Prints the findings as a plain table, and below it what there is to do."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("what", "state", "found"):
        table.add_column(heading, overflow="fold")
    topic = ""
    for finding in findings:
        if finding.topic != topic:
            topic = finding.topic
            # A line of its own leaves a terminal of 80 columns more room for what was found.
            table.add_row(Text(topic, style="bold"))
        table.add_row(Text(f"  {finding.name}"), _colored(finding.state), Text(finding.value))
    console.print(table)
    for finding in findings:
        if finding.advice:
            console.print(Text.assemble(f"{finding.name}: ", finding.advice), soft_wrap=True)


def _colored(state: State) -> Text:
    return Text(state.value, style=_STYLES[state])
