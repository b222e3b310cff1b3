"""`python -m experts.training.evaluate`: experts against bicubic on photographs that they never saw, by width."""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from experts.catalog import make_expert
from experts.contract import Expert, Image
from experts.networks import NETWORKS
from experts.neural import NeuralExpert
from experts.training import metrics, photos
from experts.training.pairs import COLUMNS, ROWS, TAKEN, Pair, clip
from experts.training.photos import Photo
from experts.training.settings import TrainingSettings, WidthBand, load
from weights.session import RuntimeSettings
from weights.store import Store

logger = logging.getLogger(__name__)

CONFIG = Path(__file__).with_name("evaluation.toml")
BANDS = {
    "transformer": (WidthBand(50, 75), WidthBand(75, 100), WidthBand(100, 150)),
    "frequency": (WidthBand(100, 125), WidthBand(125, 150)),
}
SHOWN = 6
"""Faces a band on the contact sheet."""


@dataclass(frozen=True, slots=True)
class Score:
    """Means over the faces of a band; `ms` is a median, a face.

    `identity`: cosine to the true face, None if not measured.
    """

    psnr: float
    ssim: float
    sharpness: float
    identity: float | None
    ms: float


@dataclass(frozen=True, slots=True)
class BandResult:
    """One expert on one band: its score, that of bicubic, and that of the truth where it has one (its sharpness)."""

    expert: str
    low: float
    high: float
    faces: int
    restored: Score
    bicubic: Score
    true_sharpness: float


def pairs_of(band: WidthBand, expert: Expert, album: Sequence[Photo], settings: TrainingSettings) -> list[Pair]:
    """One pair of every photograph, its width drawn from the band; the same on every call."""
    random = np.random.default_rng((settings.seed, int(band.low)))
    spoil = replace(settings.degradation, widths=(band,))
    full = COLUMNS * ROWS
    found: list[Pair] = []
    for start in range(0, len(album), full):
        chosen = album[start : start + full]
        widths = np.sort(random.uniform(band.low, band.high, len(chosen))).tolist()
        size, scale = expert.info.input_size, expert.info.scale
        made = list(clip(chosen, widths, spoil, size=size, scale=scale, random=random))
        found.extend(made[:: len(TAKEN)])
    return found


def measure(expert: Expert, pairs: Sequence[Pair], band: WidthBand, *, identity: metrics.Identity | None) -> BandResult:
    """Restores every pair one by one, as a film with one face would, and compares."""

    def restore(low: Image) -> Image:
        restored: Image = expert.restore(low[None])[0]
        return restored

    return BandResult(
        expert=expert.info.id,
        low=band.low,
        high=band.high,
        faces=len(pairs),
        restored=_score(restore, pairs, identity),
        bicubic=_score(lambda low: bicubic(low, expert.info.scale), pairs, identity),
        true_sharpness=statistics.fmean(metrics.sharpness(pair.high) for pair in pairs),
    )


def bicubic(low: Image, scale: int) -> Image:
    return np.asarray(cv2.resize(low, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)


def _score(restore: Callable[[Image], Image], pairs: Sequence[Pair], identity: metrics.Identity | None) -> Score:
    restore(pairs[0].low)
    results, seconds = [], []
    for pair in pairs:
        started = time.perf_counter()
        results.append(restore(pair.low))
        seconds.append(time.perf_counter() - started)
    both = [(result, pair.high) for result, pair in zip(results, pairs, strict=True)]
    return Score(
        psnr=statistics.fmean(metrics.psnr(*two) for two in both),
        ssim=statistics.fmean(metrics.ssim(*two) for two in both),
        sharpness=statistics.fmean(metrics.sharpness(result) for result in results),
        identity=None if identity is None else statistics.fmean(identity.likeness(*two) for two in both),
        ms=1e3 * statistics.median(seconds),
    )


def contact_sheet(expert: Expert, pairs: Sequence[Pair]) -> Image:
    """A row a face: enlarged by bicubic, restored, true."""
    step = max(1, len(pairs) // SHOWN)
    rows = []
    for pair in pairs[step // 2 :: step][:SHOWN]:
        restored = expert.restore(pair.low[None])[0]
        rows.append(np.hstack([bicubic(pair.low, expert.info.scale), restored, pair.high]))
    return np.vstack(rows)


def table(results: Sequence[BandResult]) -> str:
    """The results as text, a line for each expert and band with bicubic / expert in every column."""
    head = ("expert", "width", "faces", "PSNR dB", "SSIM", "sharpness (true)", "identity", "ms a face")
    lines = [head, *(_cells(result) for result in results)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _cells(result: BandResult) -> tuple[str, ...]:
    old, new = result.bicubic, result.restored
    identity = "-" if old.identity is None or new.identity is None else f"{old.identity:.3f} / {new.identity:.3f}"
    return (
        result.expert,
        f"{result.low:.0f}-{result.high:.0f}",
        str(result.faces),
        f"{old.psnr:.2f} / {new.psnr:.2f}",
        f"{old.ssim:.4f} / {new.ssim:.4f}",
        f"{old.sharpness:.0f} / {new.sharpness:.0f} ({result.true_sharpness:.0f})",
        identity,
        f"{old.ms:.1f} / {new.ms:.1f}",
    )


def _experts(files: Mapping[str, Path | None], runtime: RuntimeSettings) -> dict[str, Expert]:
    """The shipped experts, or those with the weights of a file where one is given."""
    return {
        id: make_expert(id, Store(), runtime)
        if file is None
        else NeuralExpert(id, NETWORKS[id](), weights=file, label=file.stem, licence="unknown", runtime=runtime)
        for id, file in files.items()
    }


def main(words: Sequence[str] | None = None) -> None:
    """Runs the command line `words`, by default the process's own."""
    arguments = _arguments(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    album, settings = photos.index(arguments.faces), load(arguments.config)
    identity = None if arguments.identity is None else metrics.MobileFaceNet(arguments.identity)
    files = {id: getattr(arguments, id) for id in BANDS}
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = []
    for id, expert in _experts(files, RuntimeSettings()).items():
        for band in BANDS[id]:
            pairs = pairs_of(band, expert, album, settings)
            results.append(measure(expert, pairs, band, identity=identity))
            sheet = arguments.out / f"{id}_{band.low:.0f}-{band.high:.0f}.png"
            cv2.imwrite(str(sheet), cv2.cvtColor(contact_sheet(expert, pairs), cv2.COLOR_RGB2BGR))
    report = arguments.out / "evaluation.json"
    report.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"bicubic / expert\n{table(results)}\n")


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experts.training.evaluate", description=__doc__)
    parser.add_argument("--faces", type=Path, required=True, help="folder of photographs with a faces.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder for evaluation.json and the contact sheets")
    parser.add_argument("--config", type=Path, default=CONFIG, help="TOML file that says how faces are spoiled")
    parser.add_argument("--identity", type=Path, help="ONNX file of MobileFaceNet; without it identity is not measured")
    for id in BANDS:
        parser.add_argument(
            f"--{id}", type=Path, help=f"safetensors file for the {id} expert (default: the shipped one)"
        )
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
