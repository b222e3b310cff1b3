"""Measures a live stream on this machine, from a camera (GStreamer's RTSP server) to the pixels of a browser.

    python -m tests.bench.live --viewers 1 2 4 --seconds 30
    python -m tests.bench.live --overload --minutes 10

The first viewer is a page in Chromium; further ones are light unless --decoding asks for pages: they take the stream
without decoding it, since browsers on the same cores would measure themselves. Times at the viewer are from the moment
at which the camera sends a picture to the moment at which the browser says that it is on the screen.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from tests.bench.measure import Bench, Figures, Viewers
from tests.helpers.meeting import meeting_film
from weights.store import Store

FILM_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """What the camera shows."""

    width: int
    height: int
    rate: int
    faces: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height} at {self.rate} fps with {self.faces} faces"


USUAL = Load(640, 360, 25, 2)
OVERLOAD = Load(1920, 1080, 30, 8)


def main() -> None:
    words = _parser().parse_args()
    load = OVERLOAD if words.overload else USUAL
    seconds = 60 * words.minutes if words.minutes else words.seconds
    counts = words.viewers or ([1] if words.overload else [1, 2, 4])
    with tempfile.TemporaryDirectory(prefix="facelane-bench-") as folder:
        bench = _bench(load, Path(folder), min(FILM_SECONDS, seconds + 20))
        found = [bench.measure(_mixed(count, words), seconds=seconds) for count in counts]
    text = f"{_heading(load)}\n\n{_table(found)}\n"
    sys.stdout.write(text)
    if words.json:
        words.json.write_text(json.dumps({"load": asdict(load), "runs": [asdict(run) for run in found]}, indent=2))
    if words.markdown:
        words.markdown.write_text(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, nargs="+", metavar="N", help="how many watch, one measurement for each")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    parser.add_argument("--minutes", type=float, help="in the place of seconds")
    parser.add_argument("--overload", action="store_true", help=f"{OVERLOAD} in the place of {USUAL}")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--decoding", action="store_true", help="every viewer is a page in Chromium")
    kinds.add_argument("--all-light", action="store_true", help="no viewer is; nothing is measured in a page then")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table there")
    return parser


def _bench(load: Load, folder: Path, seconds: float) -> Bench:
    film = meeting_film(
        folder / "film.mp4", Store(), faces=load.faces, width=load.width, height=load.height, rate=load.rate,
        seconds=seconds,
    )  # fmt: skip
    return Bench(film, folder, film_frames=round(seconds * load.rate))


def _mixed(count: int, words: argparse.Namespace) -> Viewers:
    browsers = 0 if words.all_light else count if words.decoding else min(count, 1)
    return Viewers(browsers, count - browsers)


def _heading(load: Load) -> str:
    return f"RTSP {load} on {os.cpu_count()} cores ({platform.machine()}, Python {platform.python_version()})"


def _table(runs: Sequence[Figures]) -> str:
    rows = [(title, [show(run) for run in runs]) for title, show in _ROWS.items()]
    lines = ["| |" + "".join(f" {run.viewers} |" for run in runs), "|---|" + "---|" * len(runs)]
    return "\n".join(lines + [f"| {title} |" + "".join(f" {cell} |" for cell in cells) for title, cells in rows])


def _number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _middle(values: Sequence[float]) -> str:
    """The median over the windows, and the worst of them."""
    return f"{median(values):.0f}, worst {max(values):.0f}" if values else "-"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def _stages(run: Figures) -> str:
    greatest = sorted(run.stages.items(), key=lambda item: -item[1])[:6]
    return ", ".join(f"{name} {ms:.1f}" for name, ms in greatest) or "-"


_ROWS: dict[str, Callable[[Figures], str]] = {
    "seconds": lambda run: _number(run.seconds),
    "frames a second in, out": lambda run: f"{_number(run.fps_in, 1)}, {_number(run.fps_out, 1)}",
    "frames a second at the viewer": lambda run: _number(run.viewer_fps, 1),
    "repeated, skipped there": lambda run: f"{run.viewer_repeats}, {run.viewer_skips}",
    "frames a second at each light viewer": lambda run: ", ".join(f"{fps:.1f}" for fps in run.light_fps) or "-",
    "pipeline p50, ms": lambda run: _middle(run.latency_p50),
    "pipeline p95, ms": lambda run: _middle(run.latency_p95),
    "glass to glass p50, p95, ms": lambda run: f"{_number(run.glass_p50)}, {_number(run.glass_p95)}",
    "the same p50 as the page says, ms": lambda run: _middle(run.page_glass),
    "the server's CPU, cores": lambda run: _number(run.cpu_cores, 2),
    "the machine's CPU, cores": lambda run: _number(run.machine_busy, 2),
    "drops": lambda run: _counts(run.drops),
    "efforts": lambda run: ", ".join(dict.fromkeys(run.efforts)) or "-",
    "slowest stages, p50, ms": _stages,
    "memory, MB": lambda run: _number(run.memory_mb[-1] if run.memory_mb else None),
    "memory, % an hour": lambda run: _number(100 * run.memory_slope_share_per_hour, 1),
}


if __name__ == "__main__":
    main()
