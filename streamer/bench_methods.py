"""The methods that the bench compares: which there are, where they come from, and which can't run here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from experts.catalog import make_expert
from experts.contract import Expert, ExpertError
from experts.fidelity import FAITHFUL, Pair, mixed, told
from experts.ncnn_network import NcnnNetwork
from experts.networks import NETWORKS
from experts.neural import NeuralExpert
from experts.pictures import Rescaled
from experts.quality.methods import ROUTED, Absent, ExpertMethod, Method, NetworkMethod, RoutedMethod, kernels
from experts.quality.row import CLASSES
from experts.quality.sample import SCALE
from experts.realesrgan import open_ncnn
from routing.types import Lane
from streamer.config import Settings
from streamer.errors import UsageError
from streamer.machinery import Models, load_models
from weights.session import RuntimeSettings
from weights.store import Store, WeightsError

PEERS = {"realesrgan-x4plus": True, "realesr-animevideov3": False}
"""Upscalers of others, by the stem of their ids in the manifest, and whether they are heavy."""
GENERAL = "realesr-general-x4v3"
EXPERTS = {"expert-T": Lane.TRANSFORMER, "expert-F": Lane.FREQUENCY}
"""At the fidelity that the settings say, as the pipeline has them."""
FAITHFUL_EXPERTS = {f"{name} faithful": lane for name, lane in EXPERTS.items()}
"""At fidelity 1, whatever the settings say."""
MEANT_FOR = {
    name: CLASSES[0] if lane is Lane.TRANSFORMER else CLASSES[1]
    for expert, lane in EXPERTS.items()
    for name in (expert, f"{expert} faithful")
}
"""The widths of faces, in source pixels, that each expert is for."""
NAMES = ("bicubic", "lanczos", *PEERS, GENERAL, *MEANT_FOR, ROUTED)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Files in the place of the weights that the settings name: one that is taken as it is at every fidelity, or a
    faithful and a crisp one."""

    file: Path
    crisp: Path | None = None

    def expert(self, id: str, settings: Settings, fidelity: float) -> NeuralExpert:
        """Raises WeightsError."""
        files = (self.file,) if self.crisp is None else Pair(self.file, self.crisp).needed(fidelity)
        label = told([file.name for file in files], fidelity)
        return NeuralExpert(
            id,
            NETWORKS[id](),
            weights=mixed(files, fidelity),
            label=label,
            licence="unknown",
            runtime=settings.runtime,
        )


Candidates = Mapping[Lane, Candidate]


def models_with(candidates: Candidates, settings: Settings, store: Store) -> Models:
    """The main job's, on each lane with the weights of its candidate, if any. Raises WeightsError."""
    models = load_models(settings, store)
    fidelity = settings.experts.fidelity
    lanes = {
        lane: replace(work, expert=candidates[lane].expert(lane.value, settings, fidelity))
        for lane, work in models.lanes.items()
        if lane in candidates
    }
    return replace(models, lanes={**models.lanes, **lanes})


def faithful_expert(lane: Lane, candidates: Candidates, settings: Settings, store: Store) -> Expert:
    """Who stands on that lane, at fidelity 1. Raises WeightsError."""
    if lane in candidates:
        return candidates[lane].expert(lane.value, settings, FAITHFUL)
    return make_expert(
        getattr(settings.experts, lane.value), store, settings.runtime, replace(settings.experts, fidelity=FAITHFUL)
    )


def methods_of(
    names: Iterable[str],
    *,
    general: Path | None,
    models: Callable[[], Models],
    faithful: Callable[[Lane], Expert],
    store: Store,
) -> tuple[list[Method], list[Absent]]:
    """Those that are wanted and can run, and those that can't."""
    there: list[Method] = []
    absent: list[Absent] = []
    for name in names:
        try:
            there.append(_method(name, general, models, faithful, store))
        except (ExpertError, WeightsError) as error:
            absent.append(Absent(name, str(error)))
    if not there:
        raise UsageError(f"no method can run: {'; '.join(f'{each.name}: {each.reason}' for each in absent)}")
    return there, absent


def _method(
    name: str, general: Path | None, models: Callable[[], Models], faithful: Callable[[Lane], Expert], store: Store
) -> Method:
    """Raises ExpertError or WeightsError for one that can't run."""
    if name in PEERS:
        return NetworkMethod(name, Rescaled(open_ncnn(name, store, RuntimeSettings()), SCALE).upscale, PEERS[name])
    if name == GENERAL:
        return NetworkMethod(name, _general(general).upscale)
    if name in EXPERTS:
        return ExpertMethod(name, models().lanes[EXPERTS[name]].expert)
    if name in FAITHFUL_EXPERTS:
        return ExpertMethod(name, faithful(FAITHFUL_EXPERTS[name]))
    if name == ROUTED:
        return RoutedMethod()
    return next(method for method in kernels() if method.name == name)


def _general(param: Path | None) -> Rescaled:
    if param is None:
        raise ExpertError("name the .param file of Real-ESRGAN's general-x4v3 in ncnn's form by --general")
    return Rescaled(NcnnNetwork(param, param.with_suffix(".bin"), id=GENERAL, scale=4), SCALE)
