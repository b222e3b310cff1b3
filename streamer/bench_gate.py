"""The composition root of `facelane bench gate`: where the gate's bound of sharpness should lie."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from experts.quality.methods import ExpertMethod
from experts.quality.parting import BLURS, LEAST_WIDTH, Compared, best_bound, blurred_faces, compare, table
from experts.quality.sample import Sample
from experts.quality.stills import SEED, shuffled
from experts.training.degradation import DegradationSettings, middle
from experts.training.files import write_whole
from experts.training.photos import Photo
from routing.traits import sharpness
from routing.types import Box, Lane
from streamer.album import look_through
from streamer.bars import counted, counting_bar
from streamer.config import Settings
from streamer.errors import SourceError, UsageError
from streamer.machinery import Models, Say, load_models, make_store
from streamer.media.target import check_writable, writing


@dataclass(frozen=True, slots=True)
class GateReport:
    """`bound`: from which sharpness on a face is better off on the frequency lane; infinite: none is. `set_to`: what
    the settings have. `compared`: every face that was looked at."""

    photographs: int
    bound: float
    set_to: float
    compared: tuple[Compared, ...]

    def to_dict(self) -> dict[str, Any]:
        # JSON has no infinity.
        return asdict(self) | {"bound": self.bound if self.bound < float("inf") else None}

    def lines(self) -> Iterator[str]:
        yield (
            f"{self.photographs} photographs, {len(BLURS)} blurs each; what the frequency lane's expert gains over the "
            "transformer lane's"
        )
        yield from table(self.compared)
        yield f"best bound: {self.bound:.0f}; [routing.gate] sharpness = {self.set_to:g}"


def bench_gate(
    folder: Path,
    settings: Settings,
    *,
    limit: int | None,
    out: Path | None,
    progress: Console | None,
    say: Say,
    show: Callable[[GateReport], None],
) -> GateReport:
    """Restores faces of the gate's sharpness range, from out of focus to sharp, with both lanes' experts.

    `limit`: photographs at most. `out`: a file for the figures, as JSON. `show` has the report before it is
    written: a disk that is full by then takes no figures away. Raises UsageError and SourceError for what
    can't be read, ExpertError and WeightsError where an expert can't run.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: give 1 or more")
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder: give one with photographs of faces")
    if out is not None:
        check_writable(out)
    models = load_models(settings, make_store(settings, say))
    photos = [photo for photo in _photos(folder, models, say) if photo.width >= LEAST_WIDTH]
    chosen = shuffled(photos, SEED)[:limit]
    if not chosen:
        raise SourceError(f"{folder} has no face of {LEAST_WIDTH} px or more: it is halved for the gate to decide on")
    one, other = (ExpertMethod(lane.value, models.lanes[lane].expert) for lane in (Lane.TRANSFORMER, Lane.FREQUENCY))
    samples = blurred_faces(chosen, middle(DegradationSettings()), seed=SEED)
    with counting_bar(progress) as shown:
        counts = counted(shown, "faces", len(BLURS) * len(chosen), samples)
        compared = tuple(compare(sample, _sharpness(sample), one, other) for sample in counts)
    report = GateReport(len(chosen), best_bound(compared), settings.routing.gate.sharpness, compared)
    show(report)
    if out is not None:
        with writing(out):
            write_whole(out, (json.dumps(report.to_dict(), indent=2) + "\n").encode())
    return report


def _photos(folder: Path, models: Models, say: Say) -> list[Photo]:
    with TemporaryDirectory() as cache:
        album = look_through(folder, Path(cache), detect=models.detector.detect, looked=lambda *_: None)
    for line in album.lines()[1:]:
        say(line)
    return list(album.photos)


def _sharpness(sample: Sample) -> float:
    """As the gate measures it, of the face's landmarks and width."""
    points = sample.landmarks[0].astype("float32")
    x, y = points.mean(axis=0).tolist()
    half = sample.width / 2
    return sharpness(sample.low[0], Box(x - half, y - half, x + half, y + half), points)
