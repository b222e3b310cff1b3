"""`facelane weights`: what there is, where it lies, under whose terms; fetched, checked or brought by hand."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.progress import (
    DownloadColumn,
    TaskID,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from streamer.aio import Interrupted
from streamer.bars import bar
from streamer.consoles import results
from weights.errors import WeightsError
from weights.store import State, Store, StoreSettings

MEGABYTE = 1e6
STYLES: Mapping[State, str] = {"package": "green", "cache": "green", "damaged": "bold red", "absent": "dim"}


def run(arguments: argparse.Namespace, settings: StoreSettings, *, say: Callable[[str], None]) -> int:
    """Does what `arguments.what` says and returns the exit code. Raises WeightsError."""
    bars = _Bars(Console(stderr=True))
    try:
        return WHATS[arguments.what](arguments, Store(settings, say=say, watch=bars))
    finally:
        bars.stop()


def _list(_: argparse.Namespace, store: Store) -> int:
    table = Table(box=None, pad_edge=False, header_style="bold")
    # An id is what is copied from here: it is not broken.
    table.add_column("id", no_wrap=True)
    table.add_column("MB", no_wrap=True, justify="right")
    for heading in ("where", "licence", "for"):
        table.add_column(heading)
    for name in store.entries:
        entry, state = store.entry(name), store.state(name)
        size = f"{entry.size / MEGABYTE:.1f}" if entry.size else "?"
        where = "by hand" if entry.sha256 is None else state
        licence = entry.licence + ("" if entry.commercial_use else " *")
        table.add_row(name, size, Text(where, STYLES[state]), licence, entry.purpose)
    console = results()
    console.print(table)
    console.print("* not for commercial use, to be accepted once: facelane weights pull NAME --accept-licence NAME")
    return 0


def _pull(arguments: argparse.Namespace, store: Store) -> int:
    for name in (*arguments.names, *arguments.accept_licence):
        store.entry(name)
    _accept(arguments.accept_licence, store)
    try:
        for name in arguments.names:
            _tell(f"{name}: {store.find(name)}")
    except KeyboardInterrupt as ending:
        number = signal.Signals(getattr(ending, "number", signal.SIGINT))
        raise Interrupted(number, left="what has come is kept, and the same command goes on from there") from ending
    return 0


def _verify(arguments: argparse.Namespace, store: Store) -> int:
    """Reads every byte of what is here; what is absent is passed over unless it was named."""
    states = {name: store.state(name) for name in arguments.names or store.entries}
    shown = {name: state for name, state in states.items() if state != "absent" or arguments.names}
    for name, state in shown.items():
        _tell(f"{name}: {'sound' if state in ('package', 'cache') else state}")
    wrong = [name for name, state in shown.items() if state in ("damaged", "absent")]
    if wrong:
        raise WeightsError(f"{len(wrong)} of {len(shown)} not sound; run: facelane weights pull {' '.join(wrong)}")
    return 0


def _path(arguments: argparse.Namespace, store: Store) -> int:
    if arguments.name is None:
        _tell(str(store.folder))
        return 0
    path = store.present(arguments.name)
    if path is None:
        raise WeightsError(f"{arguments.name} is not here; run: facelane weights pull {arguments.name}")
    _tell(str(path))
    return 0


def _licences(_: argparse.Namespace, store: Store) -> int:
    groups: dict[tuple[str, str, bool], list[str]] = {}
    for name, entry in store.entries.items():
        groups.setdefault((entry.licence, entry.terms, entry.commercial_use), []).append(name)
    console = results()
    for (licence, terms, commercial_use), names in groups.items():
        console.print(Text(licence + ("" if commercial_use else ": not for commercial use"), style="bold"))
        console.print(Padding(terms, (0, 0, 0, 2)))
        for name in names:
            console.print(f"  - {name}{'' if commercial_use else f', {_accepted(name, store)}'}", soft_wrap=True)
    return 0


def _accepted(name: str, store: Store) -> str:
    made = store.acceptance(name)
    return f"accepted by {made.by}, {made.at}" if made else "not accepted"


def _import(arguments: argparse.Namespace, store: Store) -> int:
    store.entry(arguments.name)
    _accept(arguments.accept_licence, store)
    _tell(f"{arguments.name}: {store.import_file(arguments.name, arguments.file)}")
    if not store.is_published(arguments.name):
        _tell(
            "nobody has published its SHA-256: what is known is that it holds tensors and no code, not whose they are"
        )
    return 0


def _accept(names: Sequence[str], store: Store) -> None:
    for name in names:
        store.accept(name)


class _Bars:
    """A bar for each file while it comes, where the console is a terminal."""

    def __init__(self, console: Console) -> None:
        columns = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        # The standard output may be a pipe, and is not drawn over.
        self._progress = bar(console, *columns, redirect_stdout=False)
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, name: str, done: int, total: int | None) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
            self._progress.start()
        self._progress.update(self._tasks[name], completed=done, total=total)
        if done == total:
            self._progress.remove_task(self._tasks.pop(name))
            self.stop()

    def stop(self) -> None:
        self._progress.stop()


def _tell(words: str) -> None:
    """A line that other programs may read, however long."""
    results().print(words, soft_wrap=True)


WHATS: Mapping[str, Callable[[argparse.Namespace, Store], int]] = {
    "list": _list,
    "pull": _pull,
    "verify": _verify,
    "path": _path,
    "licences": _licences,
    "import": _import,
}
