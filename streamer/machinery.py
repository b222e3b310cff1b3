"""The models, loaded once, and the ways of a frame that are made of them."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from blending.blender import make_blender
from experts.background import BackgroundNetwork, load_network, make_background
from experts.catalog import make_expert
from experts.contract import Expert, ExpertInfo
from routing.detector import MtcnnDetector
from routing.router import Router, RoutingSettings
from routing.types import Lane
from streamer.config import Settings
from streamer.live.warmup import batches_of, warm_up
from streamer.pipeline import Pipeline
from streamer.restoring import LaneWork
from weights.store import Store

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Models:
    """What streams share: none of it remembers one frame over the next, and one thread at a time may use it."""

    detector: MtcnnDetector
    lanes: Mapping[Lane, LaneWork]
    background: BackgroundNetwork | None = None

    @property
    def experts(self) -> tuple[Expert, ...]:
        """Those on the lanes, each once."""
        return tuple({id(work.expert): work.expert for work in self.lanes.values()}.values())

    @property
    def infos(self) -> dict[str, ExpertInfo]:
        """Who works on each lane, and on the background where a network does."""
        infos = {lane.value: work.expert.info for lane, work in self.lanes.items()}
        return infos if self.background is None else {**infos, "background": self.background.info}


def make_store(settings: Settings, say: Say) -> Store:
    """`say` is told what is being fetched: it can take a minute, once."""
    return Store(settings.weights, say=say)


def load_detector(settings: Settings, store: Store) -> MtcnnDetector:
    """Raises WeightsError, as all that loads here does."""
    return MtcnnDetector(store, settings.routing.detector, settings.runtime)


def load_models(settings: Settings, store: Store, *, between: Callable[[], None] = lambda: None) -> Models:
    """`between` is called between one model and the next, and may raise to end the loading."""
    chosen = settings.experts
    detector = load_detector(settings, store)
    between()
    experts: dict[str, Expert] = {}
    lanes: dict[Lane, LaneWork] = {}
    for lane, (id, strength) in {Lane.TRANSFORMER: chosen.on_transformer, Lane.FREQUENCY: chosen.on_frequency}.items():
        if id not in experts:
            experts[id] = make_expert(id, store, settings.runtime, chosen)
        lanes[lane] = LaneWork(experts[id], strength)
        between()
    return Models(detector, lanes, load_network(settings.background, store, settings.runtime))


def routing_of(settings: Settings) -> RoutingSettings:
    """Where one expert restores every face, the gate has no other lane to send those to that are not too narrow."""
    if not settings.experts.every:
        return settings.routing
    gate = replace(settings.routing.gate, frequency_from_px=math.inf, resize_from_px=math.inf)
    return replace(settings.routing, gate=gate)


class _Stopped(Exception):  # noqa: N818 - an ending, not an error
    """Nobody waits any more."""


class LiveMachinery:
    """The models of a live service, loaded on the thread that will use them, and a way for each of its streams."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.failure: Exception | None = None
        self._settings = settings
        self._store = store
        self._models: Models | None = None
        self._begun = threading.Event()
        self._stopped = False

    def begin(self) -> None:
        """`prepare` may go on: whatever is cheaper to find out is found out."""
        self._begun.set()

    def prepare(self) -> None:
        """Wait for `begin`, load all, and compute once with all. What it raises is kept as `failure`, too."""
        self._begun.wait()
        try:
            self._go_on()
            models = load_models(self._settings, self._store, between=self._go_on)
            self._warm_up(models)
            self._models = models
        except _Stopped:
            return
        except Exception as error:
            self.failure = error
            raise

    def _warm_up(self, models: Models) -> None:
        """In small steps, of which a service that ends waits for one."""
        self._go_on()
        warm_up([], models.detector)
        for expert in models.experts:
            for size in batches_of(expert):
                self._go_on()
                warm_up([expert], batches=(size,))

    def _go_on(self) -> None:
        if self._stopped:
            raise _Stopped

    def stop(self) -> None:
        """Nobody waits for `prepare` any more: it may end early."""
        self._stopped = True
        self._begun.set()

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
        Router(models.detector, routing_of(settings)),
        models.lanes,
        make_background(settings.background, scale, models.background),
        make_blender(settings.blending),
        scale=scale,
        steadiness=settings.steadiness,
        keep_baseline=keep_baseline,
        overlay=overlay,
    )
