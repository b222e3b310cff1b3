"""Models are loaded, or no longer where nobody waits for them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from streamer.aio import Worker
from streamer.config import Settings
from streamer.machinery import load_models_on
from weights.store import Store


class Telling(Store):
    """Notes what is asked for, and lets somebody wait for the first."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.is_asked = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def find(self, id: str) -> Path:
        self.asked.append(id)
        self._loop.call_soon_threadsafe(self.is_asked.set)
        return super().find(id)


async def _interrupted() -> list[str]:
    """The files that were asked for where loading was given up at the first."""
    worker, store = Worker("work"), Telling()
    loading = asyncio.ensure_future(load_models_on(worker, Settings(), store))
    await store.is_asked.wait()
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    await worker.aclose()
    return store.asked


def test_who_is_interrupted_waits_for_one_model_and_not_for_all() -> None:
    asked = asyncio.run(_interrupted())
    assert {id.partition("-")[0] for id in asked} == {"mtcnn"}
