"""The models, loaded once, and the ways of a frame that are made of them."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

from blending.blender import make_blender
from experts.background import BackgroundNetwork, load_network, make_background
from experts.catalog import make_expert
from experts.contract import Expert, ExpertInfo
from experts.identity import make_embedder
from routing.detectors import LoadedDetector, make_detector
from routing.router import Router, RoutingSettings
from routing.types import Lane
from streamer.aio import Worker
from streamer.config import Settings
from streamer.figures import FaceSampler
from streamer.guarding import UNGUARDED, Guard, Guarding
from streamer.judging import Judge
from streamer.live.warmup import batches_of, warm_up
from streamer.pipeline import Pipeline
from streamer.restoring import LaneWork
from weights.store import Store

Say = Callable[[str], None]
Guarded = Literal["film", "live"]


@dataclass(frozen=True, slots=True)
class Models:
    """What streams share: none of it remembers one frame over the next, and one thread at a time may use it; but the
    judge has a thread of its own, and is closed by `close`.

    `judge`: of restored faces, None where nobody asks for one.
    """

    detector: LoadedDetector
    lanes: Mapping[Lane, LaneWork]
    background: BackgroundNetwork | None = None
    judge: Judge | None = None

    def judged_by(self, settings: Settings) -> dict[str, object] | None:
        """The judge, with the threshold and the share that it has by the settings."""
        if self.judge is None:
            return None
        chosen, info = settings.identity, asdict(self.judge.info)
        threshold = info["threshold"] if chosen.threshold is None else chosen.threshold
        return {**info, "threshold": threshold, "share": chosen.share}

    def close(self) -> None:
        """Lets the judge's thread go; after the streams. May be called twice."""
        if self.judge is not None:
            self.judge.close()

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


def load_detector(settings: Settings, store: Store) -> LoadedDetector:
    """Raises WeightsError, as all that loads here does, and RoutingError where what the detector needs is missing."""
    return make_detector(store, settings.routing.detector, settings.runtime)


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
    background = load_network(settings.background, store, settings.runtime)
    between()
    chosen_judge = settings.identity.judge
    judge = Judge(make_embedder(chosen_judge, store, settings.runtime)) if chosen_judge else None
    return Models(detector, lanes, background, judge)


class _Stopped(Exception):  # noqa: N818 - an ending, not an error
    """Nobody waits any more."""


async def load_models_on(worker: Worker, settings: Settings, store: Store) -> Models:
    """`load_models` on that thread. Where this is cancelled, no further model is loaded than the one that is begun."""
    is_over = threading.Event()

    def go_on() -> None:
        if is_over.is_set():
            raise _Stopped

    try:
        return await worker.run(load_models, settings, store, between=go_on)
    except asyncio.CancelledError:
        is_over.set()
        raise


def routing_of(settings: Settings) -> RoutingSettings:
    """Where one expert restores every face, the gate has no other lane to send those to that are not too narrow."""
    if not settings.experts.every:
        return settings.routing
    gate = replace(settings.routing.gate, frequency_from_px=math.inf, resize_from_px=math.inf)
    return replace(settings.routing, gate=gate)


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
        return make_pipeline(self._models, self._settings, scale=scale, guarded="live", mark=self._settings.output.mark)

    def close(self) -> None:
        """After the last stream; may be called twice."""
        if self._models is not None:
            self._models.close()


def make_pipeline(
    models: Models,
    settings: Settings,
    *,
    scale: int,
    guarded: Guarded | None = None,
    keep_baseline: bool = False,
    overlay: bool = False,
    mark: bool = False,
    sampler: FaceSampler | None = None,
) -> Pipeline:
    """The way of one stream's frames, with what has to be remembered of that stream. `guarded`: how the guard acts,
    where there is a judge. `sampler`: keeps faces to be measured."""
    return Pipeline(
        Router(models.detector, routing_of(settings)),
        models.lanes,
        make_background(settings.background, scale, models.background),
        make_blender(settings.blending),
        scale=scale,
        steadiness=settings.steadiness,
        guard=_make_guard(models, settings, guarded),
        keep_baseline=keep_baseline,
        overlay=overlay,
        mark=mark,
        sampler=sampler,
    )


def _make_guard(models: Models, settings: Settings, guarded: Guarded | None) -> Guarding:
    if models.judge is None or guarded is None:
        return UNGUARDED
    return Guard(settings.identity, models.judge, patient=guarded == "film")
