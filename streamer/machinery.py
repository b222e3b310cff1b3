"""The models, loaded once, and the ways of a frame that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from blending.blender import make_blender
from experts.background import make_upscaler
from experts.catalog import make_expert
from routing.detector import MtcnnDetector
from routing.router import Router
from routing.types import Lane
from streamer.config import Settings
from streamer.live.warmup import warm_up
from streamer.pipeline import Pipeline
from streamer.restoring import LaneWork
from weights.store import Store

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Models:
    """What streams share: none of it remembers one frame over the next, and one thread at a time may use it."""

    detector: MtcnnDetector
    lanes: Mapping[Lane, LaneWork]


def make_store(settings: Settings, say: Say) -> Store:
    """`say` is told what is being fetched: it can take a minute, once."""
    return Store(settings.weights, say=say)


def load_detector(settings: Settings, store: Store) -> MtcnnDetector:
    """Raises WeightsError, as all that loads here does."""
    return MtcnnDetector(store, settings.routing.detector, settings.runtime)


def load_models(settings: Settings, store: Store) -> Models:
    chosen = settings.experts
    lanes = {
        Lane.TRANSFORMER: LaneWork(
            make_expert(chosen.transformer, store, settings.runtime), chosen.transformer_strength
        ),
        Lane.FREQUENCY: LaneWork(make_expert(chosen.frequency, store, settings.runtime), chosen.frequency_strength),
    }
    return Models(load_detector(settings, store), lanes)


class LiveMachinery:
    """The models of a live service, loaded on the thread that will use them, and a way for each of its streams."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.failure: Exception | None = None
        self._settings = settings
        self._store = store
        self._models: Models | None = None
        self._stopped = False

    def prepare(self) -> None:
        """Load all, and compute once with all. What it raises is kept as `failure`, too."""
        try:
            self._models = models = load_models(self._settings, self._store)
            if not self._stopped:
                warm_up([work.expert for work in models.lanes.values()], models.detector)
        except Exception as error:
            self.failure = error
            raise

    def stop(self) -> None:
        """Nobody waits for `prepare` any more: it may end early."""
        self._stopped = True

    def make_way(self, scale: int) -> Pipeline:
        """The way for one stream's frames; on the thread of `prepare`, after it. Raises what `prepare` raised."""
        if self._models is None:
            raise self.failure or RuntimeError("the networks are not loaded yet")
        return make_pipeline(self._models, self._settings, scale=scale)


def make_pipeline(
    models: Models, settings: Settings, *, scale: int, keep_baseline: bool = False, overlay: bool = False
) -> Pipeline:
    """The way of one stream's frames, with what has to be remembered of that stream."""
    return Pipeline(
        Router(models.detector, settings.routing),
        models.lanes,
        make_upscaler(settings.background, scale),
        make_blender(settings.blending),
        scale=scale,
        keep_baseline=keep_baseline,
        overlay=overlay,
    )
