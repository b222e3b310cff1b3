"""What is counted of a publisher's losses, and that every word used for them is one of the fixed ones."""

from __future__ import annotations

import ast
import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import av
from prometheus_client.parser import text_string_to_metric_families

from streamer.live.meter import DROP_REASONS, UNWATCHED
from streamer.live.published import PublishedSource
from streamer.metrics import LiveMetrics
from tests.helpers.living import CostlyWay, playing, until
from web.feeds import LostPackets, LostPictures

ROOT = Path(__file__).parents[2]


def samples(metrics: LiveMetrics, name: str, label: str) -> dict[str, float]:
    """By the label's value, those that aren't 0."""
    families = text_string_to_metric_families(metrics.render().decode())
    found = [sample for family in families for sample in family.samples if sample.name == name and sample.value]
    return {sample.labels[label]: sample.value for sample in found}


def test_packets_are_no_pictures() -> None:
    async def main() -> None:
        source = PublishedSource("door")
        async with playing(source, lambda _: CostlyWay()) as (channel, metrics):
            publishing = source.open()
            publishing.packets_lost("picture", 300)
            publishing.packets_lost("sound", 5)
            publishing.packets_lost("sound_late")
            publishing.lost("no_key_frame", 2)
            publishing.picture(
                av.VideoFrame(128, 96, "yuv420p"), media_seconds=0, arrived_at=time.monotonic(), decode_seconds=0.25
            )
            await until(lambda: channel.tell()["width"] == 128)
            told = samples(metrics, "facelane_source_packets_lost_total", "kind")
            assert told == {"picture": 300, "sound": 5, "sound_late": 1}
            dropped = samples(metrics, "facelane_frames_dropped_total", "reason")
            assert dropped.pop("no_key_frame") == channel.tell()["drops"]["no_key_frame"] == 2
            assert dropped.keys() <= {UNWATCHED}
            assert channel.tell()["stages_ms"]["decode"] > 250

    asyncio.run(asyncio.wait_for(main(), 30))


def words(*methods: str) -> Iterator[tuple[str, str]]:
    """Where, and with which fixed word, these methods are called."""
    for path in [*(ROOT / "streamer").rglob("*.py"), *(ROOT / "web").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            word = node.args[0]
            if node.func.attr in methods and isinstance(word, ast.Constant) and isinstance(word.value, str):
                yield f"{path.name}:{node.lineno}", word.value


def test_every_word_of_a_loss_is_known() -> None:
    used = list(words("dropped", "lost"))
    assert len(used) > 5
    assert not [(where, word) for where, word in used if word not in (*DROP_REASONS, UNWATCHED)]
    assert set(get_args(LostPictures)) <= set(DROP_REASONS)
    kinds = list(words("packets_lost"))
    assert {word for _, word in kinds} == set(get_args(LostPackets))
