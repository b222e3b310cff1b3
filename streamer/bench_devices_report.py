"""What `facelane bench devices` found: a row for each network and what it ran on, and the bounds that it is held to."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from weights.cuda import find_driver
from weights.runtime import Taken

HEADINGS = ("network", "runtime", "device", "precision", "largest", "mean", "ms at 1", "at 4", "at 16", "")


@dataclass(frozen=True, slots=True)
class Difference:
    """To float32 by torch on the processor, in levels of 255: the largest, and the mean of the output that differs
    most."""

    largest: float
    mean: float

    def is_within(self, bound: Difference) -> bool:
        """Never where any of it is no number."""
        return self.largest <= bound.largest and self.mean <= bound.mean


BOUNDS: Mapping[str, Difference] = {
    # Sums in another order may round to the neighbouring level.
    "float32": Difference(1.0, 0.01),
    # Both keep 10 bits of a number. bfloat16 keeps 7: on the demo's faces, by torch on a processor, that comes to 2
    # levels at most and 0.3 in the mean.
    "float32/tf32": Difference(3.0, 0.3),
    "float16": Difference(3.0, 0.3),
    "bfloat16": Difference(4.0, 0.6),
}


@dataclass(frozen=True, slots=True)
class Row:
    """`ms`: by the size of the batch. `difference`: None where `fault` says why it did not run."""

    network: str
    taken: Taken
    difference: Difference | None
    ms: Mapping[int, float]
    fault: str = ""

    @property
    def within(self) -> bool:
        return self.difference is not None and self.difference.is_within(BOUNDS[self.taken.precision])

    def cells(self) -> tuple[str, ...]:
        found = self.difference
        apart = ("", "") if found is None else (f"{found.largest:.2f}", f"{found.mean:.4f}")
        times = (f"{self.ms[size]:.2f}" if size in self.ms else "" for size in (1, 4, 16))
        verdict = self.fault or ("" if self.within else "beyond its bounds")
        taken = self.taken
        return (self.network, taken.runtime, taken.device, taken.precision, *apart, *times, verdict)


@dataclass(frozen=True, slots=True)
class DevicesReport:
    """`absent`: what is not here, with its reason. `items`: how many faces, or pictures, a network was compared on."""

    rows: Sequence[Row]
    absent: Mapping[str, str]
    items: Mapping[str, int]

    @property
    def passed(self) -> bool:
        """Whether everything that is here ran, and within its bounds."""
        return bool(self.rows) and all(row.within for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        bounds = {precision: asdict(bound) for precision, bound in BOUNDS.items()}
        rows = [{**asdict(row), "difference": _told(row.difference), "within": row.within} for row in self.rows]
        return {
            "machine": machine(),
            "items": dict(self.items),
            "bounds": bounds,
            "rows": rows,
            "absent": dict(self.absent),
            "passed": self.passed,
        }

    def lines(self) -> Iterator[str]:
        """A table for a terminal."""
        table = [HEADINGS, *(row.cells() for row in self.rows)]
        widths = [max(len(line[i]) for line in table) for i in range(len(HEADINGS))]
        for line in table:
            yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for name, why in self.absent.items():
            yield f"absent: {name}: {why}"

    def to_markdown(self) -> str:
        about = "\n".join(f"- {name}: {value}" for name, value in machine().items())
        rows = [HEADINGS, ("---",) * len(HEADINGS), *(row.cells() for row in self.rows)]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
        items = ", ".join(f"{name} {count}" for name, count in self.items.items())
        bounds = ", ".join(f"{name} {bound.largest:g} and {bound.mean:g}" for name, bound in BOUNDS.items())
        absent = "\n".join(f"- {name}: {why}" for name, why in self.absent.items()) or "nothing"
        return (
            f"# Devices\n\n{about}\n\n"
            "Differences to float32 by torch on the processor, in levels of 255, largest and mean of the output that "
            "differs most: of pictures as they are, of scores, places and descriptors 255 times. Milliseconds are "
            f"medians from memory to memory, copies to a card and back included. Compared on: {items}. "
            f"Bounds, largest and mean: {bounds}.\n\n{table}\n\nNot here:\n\n{absent}\n"
        )


def _told(found: Difference | None) -> dict[str, float | None] | None:
    """JSON has no word for what is no number."""
    if found is None:
        return None
    return {name: value if math.isfinite(value) else None for name, value in asdict(found).items()}


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    name = torch.cpu.get_capabilities().get("cpu_name", platform.processor() or platform.machine())
    about = {"cpu": f"{name}, {os.cpu_count()} cores", "torch": torch.__version__}
    driver = find_driver()
    if driver is None:
        return {**about, "card": "none"}
    cards = ", ".join(f"{card.name} ({'.'.join(map(str, card.capability))})" for card in driver.cards)
    return {**about, "card": cards, "driver": f"{driver.version or 'unknown'}, for CUDA up to {driver.cuda}"}
