"""What becomes of a stream whose pictures can't be encoded, once or for long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from streamer.live.slate import Slate
from streamer.media.live_encoder import LiveEncoder
from tests.helpers.broadcasting import OnAir, Watcher, on_air
from web.feeds import BrokenError

PATIENCE = 20.0


class Trouble:
    """Makes `count` calls of a method fail, in a way that nobody foresaw."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: type, method: str) -> None:
        self.count = 0
        works = getattr(owner, method)

        def call(*words: Any, **more: Any) -> Any:
            if self.count > 0:
                self.count -= 1
                raise MemoryError("no memory\nat all")
            return works(*words, **more)

        monkeypatch.setattr(owner, method, call)


@pytest.fixture
def encoding(monkeypatch: pytest.MonkeyPatch) -> Trouble:
    return Trouble(monkeypatch, LiveEncoder, "encode")


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 60))


async def until(happens: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not happens():
            await asyncio.sleep(0.01)


def failed(air: OnAir) -> float:
    return air.count("frames_dropped_total", reason="encoder_failed")


async def fail(air: OnAir, encoding: Trouble, numbers: range) -> None:
    """These pictures fail, one after the other, and what may be repeated in between; until `encoding` is told else."""
    encoding.count = 1 << 30
    for count, number in enumerate(numbers):
        air.show(number)
        await until(lambda: failed(air) > count)  # noqa: B023


async def began(air: OnAir) -> Watcher:
    watcher = air.view()
    air.show(0)
    await watcher.live(0)
    return watcher


def test_one_picture_that_fails_is_one_picture(encoding: Trouble, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with on_air() as air:
            watcher = await began(air)
            await fail(air, encoding, range(1, 2))
            encoding.count = 0
            air.show(2)
            picture = await watcher.live(2)
            assert picture.is_key or any(each.is_key for each in watcher.seen[1:])
            assert watcher.number == 2
            assert air.broadcast.trouble == ""
            assert failed(air) == 1

    run(main())
    (record,) = [record for record in caplog.records if record.exc_info]
    assert "not shown" in record.message


def test_pictures_that_keep_failing_are_told_of_until_one_works(encoding: Trouble) -> None:
    async def main() -> None:
        async with on_air() as air:
            watcher = await began(air)
            await fail(air, encoding, range(1, 4))
            assert air.broadcast.trouble == "MemoryError: no memory"
            with pytest.raises(BrokenError, match="no memory") as refused:
                air.view()
            assert len(str(refused.value).splitlines()) == 1
            encoding.count = 0
            air.show(4)
            await watcher.live(4)
            assert air.broadcast.trouble == ""
            air.view().viewing.close()

    run(main())


def test_who_comes_after_all_have_left_tries_anew(encoding: Trouble) -> None:
    async def main() -> None:
        async with on_air() as air:
            watcher = await began(air)
            await fail(air, encoding, range(1, 4))
            assert air.broadcast.trouble
            watcher.viewing.close()
            assert air.broadcast.trouble == ""
            encoding.count = 0
            again = air.view()
            air.show(4)
            await again.live(4)

    run(main())


def test_a_slate_that_fails_is_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    slates = Trouble(monkeypatch, Slate, "picture")

    async def main() -> None:
        async with on_air() as air:
            watcher = await began(air)
            slates.count = 1
            air.broadcast.wait("The camera is gone")
            await watcher.until(slate="The camera is gone")
            assert slates.count == 0
            assert any(thread.name == "encode" for thread in threading.enumerate())
            assert failed(air) == 0

    run(main())


def test_the_wait_for_the_encoder_is_a_stage_of_every_frame() -> None:
    async def main() -> None:
        async with on_air() as air:
            watcher, compared = await began(air), air.view("compare")
            for number in range(1, 6):
                air.show(number)
                picture = await watcher.live(number)
                assert picture.facts["stages_ms"].keys() >= {"handover", "encode"}
            await compared.live(5)
            assert air.count("stage_seconds_count", stage="handover") == 6
            slate = asyncio.ensure_future(watcher.until(slate="Wait"))
            air.broadcast.wait("Wait")
            assert "handover" not in (await slate).facts["stages_ms"]

    run(main())
