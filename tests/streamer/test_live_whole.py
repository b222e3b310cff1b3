"""A live stream of real faces through the real pipeline, to a viewer who decodes what comes."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import numpy as np

from streamer.config import Settings
from streamer.live.conductor import Conductor
from streamer.live.settings import LiveSettings
from streamer.live.warmup import warm_up
from streamer.machinery import load_models, make_pipeline
from streamer.metrics import LiveMetrics
from tests.helpers.living import PlayedSource, Watcher, frame_of_planes, lag_of, make_channel, until
from tests.helpers.meeting import meeting_pictures
from weights.store import Store


def test_faces_are_restored_live_and_the_loop_stays_free(store: Store) -> None:
    """How fast it is depends on the machine; that what comes is new, in order, restored and not old does not."""

    async def main() -> None:
        settings, metrics = Settings(), LiveMetrics()
        models = load_models(settings, store)
        conductor = Conductor(lambda: warm_up([work.expert for work in models.lanes.values()], models.detector))
        conductor.start()
        await until(lambda: conductor.is_ready, seconds=30)
        pictures = meeting_pictures(store, faces=2, width=640, height=360, count=50)
        source = PlayedSource([frame_of_planes(planes, number=number) for number, planes in enumerate(pictures)])
        channel = make_channel(
            "meeting",
            source,
            lambda scale: make_pipeline(models, settings, scale=scale),
            LiveSettings(),
            conductor,
            metrics,
        )
        channel.start()
        viewing = channel.view("enhanced")
        seen = await Watcher(viewing).look(seconds=20, live=10)
        lags = await lag_of(asyncio.sleep(1.0))
        status = channel.tell()
        viewing.close()
        await channel.aclose()
        await conductor.aclose()
        live = [each for each in seen if each.is_live]
        assert (live[-1].width, live[-1].height) == (1280, 720)
        numbers = [each.number for each in live if each.number is not None]
        assert len(numbers) >= 8
        # The source plays its pictures over and over; each is shown once.
        assert all(later != earlier for earlier, later in pairwise(numbers))
        assert all(earlier.coded.captured_at < later.coded.captured_at for earlier, later in pairwise(live))
        assert np.median([each.age for each in live]) < 2.0
        lanes = {face["lane"] for each in live for face in each.coded.facts["faces"]}
        assert lanes & {"transformer", "frequency"}
        assert {"detect", "gate", "background", "queue", "decode", "encode"} <= set(status["stages_ms"])
        assert np.median(lags) < 0.05

    asyncio.run(asyncio.wait_for(main(), 60))
