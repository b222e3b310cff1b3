"""The composition root of `facelane bench quality`: pictures and clips in, a table of methods by width out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

from experts.contract import ExpertError, Image
from experts.quality import stills
from experts.quality.groups import subjects
from experts.quality.identity import MobileFaceNet
from experts.quality.lpips import Lpips
from experts.quality.measure import HEAVY_FACES, HEAVY_FRAMES, Instruments, measure
from experts.quality.methods import ROUTED, kernels
from experts.quality.report import Report
from experts.quality.sample import SCALE, Routed, Sample, Subject
from experts.quality.sheet import Sheet
from experts.training.degradation import middle
from experts.training.photos import Photo
from experts.training.settings import DegradationSettings, load
from experts.training.tables import plain
from routing.types import Lane
from streamer.album import finder_of, look_through
from streamer.bars import counted, counting_bar
from streamer.bench_clips import FRAMES, ClipBench, routed
from streamer.bench_files import write
from streamer.bench_methods import MEANT_FOR, NAMES, Candidate, faithful_expert, methods_of, models_with
from streamer.config import Settings
from streamer.errors import SourceError, UsageError
from streamer.machinery import Models, Say, make_pipeline, make_store
from streamer.media.target import make_folder, writing
from streamer.pipeline import Pipeline

T = TypeVar("T")

FILES = ("general", "identity", "transformer", "transformer_crisp", "frequency", "frequency_crisp", "ranges")


@dataclass(frozen=True, slots=True)
class BenchJob:
    """`sources`: folders of photographs and clips. `methods`: of `NAMES`, empty for all. `limit`: photographs at most.
    `heavy_faces`: of each group that heavy methods see. `general`, `identity`: files of networks. `transformer`,
    `frequency`: weights in the place of those that the settings name, at every fidelity; where there is a
    `transformer_crisp` or `frequency_crisp`, too, the two are mixed. `ranges`: a training's TOML whose ranges' middle
    is used in the place of the default ranges'."""

    sources: Sequence[Path]
    out: Path
    methods: Sequence[str] = ()
    limit: int | None = None
    heavy_faces: int = HEAVY_FACES
    general: Path | None = None
    identity: Path | None = None
    transformer: Path | None = None
    transformer_crisp: Path | None = None
    frequency: Path | None = None
    frequency_crisp: Path | None = None
    ranges: Path | None = None
    seed: int = stills.SEED

    def __post_init__(self) -> None:
        if unknown := next((name for name in self.methods if name not in NAMES), None):
            raise UsageError(f"--methods {unknown}: there is no such method; known: {', '.join(NAMES)}")
        for name, number in (("--limit", self.limit), ("--heavy", self.heavy_faces)):
            if number is not None and number < 1:
                raise UsageError(f"{name} {number}: give 1 or more")
        for name in FILES:
            file = getattr(self, name)
            if file is not None and not file.is_file():
                raise UsageError(f"--{name.replace('_', '-')} {file} is no file")
        for name in ("transformer", "frequency"):
            if getattr(self, f"{name}_crisp") is not None and getattr(self, name) is None:
                raise UsageError(f"--{name}-crisp goes with the faithful file that it was made from: add --{name}")
        if missing := next((path for path in self.sources if not path.exists()), None):
            raise SourceError(f"{missing} is not there: give folders of photographs, and clips")

    @property
    def candidates(self) -> dict[Lane, Candidate]:
        """The files of weights, by the lane that they are for."""
        files = {
            Lane.TRANSFORMER: (self.transformer, self.transformer_crisp),
            Lane.FREQUENCY: (self.frequency, self.frequency_crisp),
        }
        return {lane: Candidate(file, crisp) for lane, (file, crisp) in files.items() if file is not None}

    def wants(self, name: str) -> bool:
        return not self.methods or name in self.methods


def bench_quality(
    job: BenchJob, settings: Settings, *, progress: Console | None, say: Say, show: Callable[[Report], None]
) -> Report:
    """Measures, and writes what `bench_files.write` says into `job.out`.

    `show` has the report before it is written: a disk that is full by then takes no figures away. Raises errors of any
    room's root; a method that can't run is named in the report.
    """
    make_folder(job.out)
    report, sheet = _Bench(job, replace(settings, scale=2), say).run(progress)
    show(report)
    write(job.out, report, sheet, say)
    return report


class _Bench:
    """All that one run of the bench has loaded."""

    def __init__(self, job: BenchJob, settings: Settings, say: Say) -> None:
        self._job, self._settings, self._say = job, settings, say
        self._notes: list[str] = []
        self._subjects: dict[Path, Subject] = {}
        self._ranges = middle(DegradationSettings() if job.ranges is None else load(job.ranges).degradation)
        self._store = make_store(settings, say)
        self._methods, self._absent = methods_of(
            filter(job.wants, NAMES),
            general=job.general,
            models=lambda: self._models,
            faithful=lambda lane: faithful_expert(lane, job.candidates, settings, self._store),
            store=self._store,
        )
        self._instruments = Instruments(self._try("identity", self._identity), self._try("LPIPS", Lpips))

    @cached_property
    def _models(self) -> Models:
        """Loaded when something asks for them: much can be compared without."""
        return models_with(self._job.candidates, self._settings, self._store)

    def run(self, progress: Console | None) -> tuple[Report, Sheet]:
        sheet = Sheet([method.name for method in self._methods])
        folders = [path for path in self._job.sources if path.is_dir()]
        clips = [path for path in self._job.sources if not path.is_dir()]
        photos = self._photos(folders)
        with counting_bar(progress) as shown:
            samples = self._samples(photos, clips, shown)
            measurements = measure(
                samples,
                self._methods,
                kernels()[0],
                self._instruments,
                heavy_faces=self._job.heavy_faces,
                measured=sheet.add,
            )
        if not measurements:
            raise SourceError(f"there is no face to measure on: {'; '.join(self._notes) or 'give wider faces'}")
        report = Report.of(
            measurements, grouped=MEANT_FOR, absent=self._absent, notes=self._notes, settings=self._told()
        )
        return report, sheet

    def _identity(self) -> MobileFaceNet:
        if self._job.identity is None:
            raise ExpertError("name an ONNX file of MobileFaceNet by --identity")
        return MobileFaceNet(self._job.identity)

    def _try(self, what: str, make: Callable[[], T]) -> T | None:
        """An instrument, or a note of why there is none."""
        try:
            return make()
        except ExpertError as error:
            self._notes.append(f"{what} is not measured: {error}")
            return None

    def _photos(self, folders: Sequence[Path]) -> list[Photo]:
        found: list[Photo] = []
        for number, folder in enumerate(folders):
            cache = self._job.out / "found" / str(number)
            with writing(cache):
                cache.mkdir(parents=True, exist_ok=True)
                album = look_through(
                    folder,
                    cache,
                    detect=lambda image: self._models.detector.detect(image),
                    looked=lambda *_: None,
                    finder=finder_of(self._settings.routing.detector),
                )
            self._notes += [f"{folder.name}: {line}" for line in album.lines()[1:]]
            found += album.photos
            self._subjects |= subjects(folder, album.photos)
        chosen = stills.shuffled(found, self._job.seed)[: self._job.limit]
        if len(chosen) < len(found):
            self._notes.append(f"{len(chosen)} of {len(found)} photographs, as --limit says")
        return chosen

    def _samples(self, photos: Sequence[Photo], clips: Sequence[Path], shown: Progress) -> Iterator[Sample]:
        route = self._route if any(method.name == ROUTED for method in self._methods) else None
        made = stills.stills(photos, self._ranges, seed=self._job.seed, route=route, subjects=self._subjects)
        yield from counted(shown, "pictures", stills.count(photos), made)
        bench = ClipBench(self._job.seed, self._models.detector, self._pipeline, self._notes.append)
        for path in clips:
            yield from counted(shown, path.name, None, bench.samples(path))

    def _route(self, clip: Image) -> Routed:
        return routed(clip, self._pipeline())

    def _pipeline(self) -> Pipeline:
        return make_pipeline(self._models, self._settings, scale=SCALE)

    def _told(self) -> dict[str, object]:
        # Those that were asked for; to tell of others is no reason to load them.
        models = self.__dict__.get("_models")
        lanes = {} if models is None else {lane.value: asdict(work.expert.info) for lane, work in models.lanes.items()}
        return {
            "seed": self._job.seed,
            "scale": SCALE,
            "heavy": {"faces_a_group": self._job.heavy_faces, "frames": HEAVY_FRAMES},
            "clip_frames": FRAMES,
            "degradation": plain(self._ranges),
            "lanes": lanes,
        }
