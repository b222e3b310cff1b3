"""The explicit list of detectors: MTCNN, and those of the field that look at a whole picture once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from routing import retinaface, scrfd, yunet
from routing.detector import Detector, DetectorSettings, MtcnnDetector
from routing.types import RoutingError
from routing.whole import Finder, ScoreScale, WholeFrameDetector
from weights.session import RuntimeSettings, Taken
from weights.store import Store

MakeFinder = Callable[[Path, RuntimeSettings], Finder]

FINDERS: Mapping[str, tuple[MakeFinder, ScoreScale]] = MappingProxyType(
    {
        yunet.ID: (lambda path, _: yunet.YuNetFinder(path), yunet.SCORES),
        scrfd.ID: (scrfd.ScrfdFinder, scrfd.SCORES),
        **{id: (partial(retinaface.make_finder, id), retinaface.SCORES) for id in retinaface.NETWORKS},
    }
)
"""By the setting `method`, which is the id of the weights, too."""
MTCNN_WEIGHTS = ("mtcnn-pnet", "mtcnn-rnet", "mtcnn-onet")


class LoadedDetector(Detector, Protocol):
    """A detector with its networks."""

    @property
    def taken(self) -> Taken:
        """What the networks really run on."""
        ...

    def prepare(self) -> None:
        """Does now what the first images would have to wait for."""
        ...


def make_detector(store: Store, settings: DetectorSettings, runtime: RuntimeSettings) -> LoadedDetector:
    """The detector that the settings name.

    Raises RoutingError where its package is missing or can't make sense of the file, and WeightsError where its weights
    are missing, do not fit, or wait for their licence to be accepted.
    """
    if settings.method not in FINDERS:
        return MtcnnDetector(store, settings, runtime)
    make, scores = FINDERS[settings.method]
    # Looked at first: a large file may have to be fetched.
    check_packages(settings)
    path = store.find(settings.method) if settings.file is None else _own(settings.file)
    return WholeFrameDetector(make(path, runtime), scores, settings)


def weights_of(settings: DetectorSettings) -> tuple[str, ...]:
    """The ids of the weights that are needed: none for a file of one's own."""
    if settings.method not in FINDERS:
        return MTCNN_WEIGHTS
    return () if settings.file is not None else (settings.method,)


def check_packages(settings: DetectorSettings) -> None:
    """Raises RoutingError where a package that the chosen detector needs is missing or does not load."""
    if settings.method == scrfd.ID:
        scrfd.import_packages()
    elif settings.method in retinaface.NETWORKS:
        retinaface.import_facexlib()


def _own(file: Path) -> Path:
    path = file.expanduser()
    if not path.is_file():
        raise RoutingError(f"{path}, which [routing.detector] file names, is not there; name a file of weights")
    return path
