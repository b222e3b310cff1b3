"""The methods that the bench compares: which there are, where they come from, and which can't run here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from experts.contract import ExpertError
from experts.networks import NETWORKS
from experts.neural import NeuralExpert
from experts.quality.methods import ROUTED, Absent, ExpertMethod, Method, NetworkMethod, RoutedMethod, kernels
from experts.quality.ncnn_network import NcnnNetwork
from routing.types import Lane
from streamer.config import Settings
from streamer.errors import UsageError
from streamer.machinery import Models, load_models
from weights.store import Store, WeightsError

PEERS = {"realesrgan-x4plus": True, "realesr-animevideov3": False}
"""Upscalers of others, by the stem of their ids in the manifest, and whether they are heavy."""
GENERAL = "realesr-general-x4v3"
EXPERTS = {"expert-T": Lane.TRANSFORMER, "expert-F": Lane.FREQUENCY}
NAMES = ("bicubic", "lanczos", *PEERS, GENERAL, *EXPERTS, ROUTED)


def models_with(files: Mapping[Lane, Path | None], settings: Settings, store: Store) -> Models:
    """The main job's, on each lane with the weights of `files`, if any. Raises WeightsError."""
    models = load_models(settings, store)
    lanes = dict(models.lanes)
    for lane, file in files.items():
        if file is not None:
            lanes[lane] = replace(lanes[lane], expert=_candidate(lane.value, file, settings))
    return replace(models, lanes=lanes)


def _candidate(id: str, file: Path, settings: Settings) -> NeuralExpert:
    runtime = settings.runtime
    return NeuralExpert(id, NETWORKS[id](), weights=file, label=file.name, licence="unknown", runtime=runtime)


def methods_of(
    names: Iterable[str], *, general: Path | None, models: Callable[[], Models], store: Store
) -> tuple[list[Method], list[Absent]]:
    """Those that are wanted and can run, and those that can't."""
    there: list[Method] = []
    absent: list[Absent] = []
    for name in names:
        try:
            there.append(_method(name, general, models, store))
        except (ExpertError, WeightsError) as error:
            absent.append(Absent(name, str(error)))
    if not there:
        raise UsageError(f"no method can run: {'; '.join(f'{each.name}: {each.reason}' for each in absent)}")
    return there, absent


def _method(name: str, general: Path | None, models: Callable[[], Models], store: Store) -> Method:
    """Raises ExpertError or WeightsError for one that can't run."""
    if name in PEERS:
        return NetworkMethod(name, peer(name, store).upscale, PEERS[name])
    if name == GENERAL:
        return NetworkMethod(name, _general(general).upscale)
    if name in EXPERTS:
        return ExpertMethod(name, models().lanes[EXPERTS[name]].expert)
    if name == ROUTED:
        return RoutedMethod()
    return next(method for method in kernels() if method.name == name)


def peer(name: str, store: Store) -> NcnnNetwork:
    """Fetched where it is not here yet. The runtime is looked for first: without it the weights are for nothing."""
    NcnnNetwork.check_runtime()
    return NcnnNetwork(store.find(f"{name}-param"), store.find(f"{name}-bin"))


def _general(param: Path | None) -> NcnnNetwork:
    if param is None:
        raise ExpertError("name the .param file of Real-ESRGAN's general-x4v3 in ncnn's form by --general")
    return NcnnNetwork(param, param.with_suffix(".bin"))
