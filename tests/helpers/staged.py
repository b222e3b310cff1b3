"""A studio whose streams stand as a test wants them, whose original is told from the enhanced by colour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np

from tests.helpers.studio import DemoEncoder, DemoStream, DemoStudio, Shape
from web.feeds import Layout, Status

SHAPE = Shape(width=320, height=180, rate=25, bit_rate=500_000)
RETRYING: Mapping[str, Any] = {
    "state": "retrying",
    "cause": "timed_out",
    "message": "camera.example did not answer within 5 s: is it on?",
    "retry_in_s": 4.0,
}
FAILED: Mapping[str, Any] = {
    "state": "failed",
    "cause": "unauthorised",
    "message": "camera.example wants another password: correct it.",
}
WAITING: Mapping[str, Any] = {"state": "waiting", "cause": "none", "message": "Publish to /whip/guest to begin."}
SAVING: Mapping[str, Any] = {"effort": {"name": "light_blending", "level": 2, "of": 7}}


class TwoColors(DemoStream):
    """The enhanced picture is green with a bar that moves, the original all red."""

    def _picture(self, encoder: DemoEncoder, layout: Layout, number: int, pts: int) -> tuple[bytes, bool]:
        whole = np.zeros((layout.height, layout.width, 3), np.uint8)
        whole[: self.height, : self.width] = (0, 160, 0)
        x = 8 * number % self.width
        whole[self.height // 2 : self.height * 3 // 4, x : x + 40] = (0, 40, 0)
        if layout.original is not None:
            left, top, width, height = layout.original
            whole[top : top + height, left : left + width] = (200, 0, 0)
        return encoder.encode(whole, pts)


class StagedStudio(DemoStudio):
    """`standing`: by name, what a stream's status says otherwise than the demo's; may be changed at any time."""

    def __init__(self, *names: str, standing: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        super().__init__(*names, shape=SHAPE)
        self.standing = dict(standing or {})

    def streams(self) -> Sequence[Status]:
        return [self.status(name) for name in self.named]

    async def _changes(self, stream: DemoStream) -> AsyncIterator[Status]:
        while not stream.ended:
            yield self.status(stream.name)
            await asyncio.sleep(0.5)

    def status(self, name: str) -> Status:
        return {**super().status(name), **self.standing.get(name, {})}


def two_colors(name: str = "demo") -> StagedStudio:
    """A studio with one stream of `TwoColors`; make it inside a running event loop."""
    studio = StagedStudio("other")
    studio.named = {name: TwoColors(name, SHAPE), **studio.named}
    return studio
