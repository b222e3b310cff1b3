"""Where patches touch a frame: the regions to blend in, so that all the rest is never converted or copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from blending.mask import Bounds, footprint
from blending.patch import Patch


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the frame and the patches (indices, ascending) that lie in it. `x0` and `y0` are even, `x1` and
    `y1` even or the frame's own edge, so that it is whole in 4:2:0 chroma."""

    x0: int
    y0: int
    x1: int
    y1: int
    patches: tuple[int, ...]


def regions(patches: Sequence[Patch], *, width: int, height: int, margin: int = 0) -> list[Region]:
    """Disjoint regions of a `width` x `height` frame that hold all that `patches` can change, `margin` pixels wider.

    Patches whose footprints overlap share a region; one wholly outside the frame is in none, and neither are patches
    that have no strength together.
    """
    found: list[Region] = []
    for index, patch in enumerate(patches):
        region = _aligned(footprint(patch), index, width=width, height=height, margin=margin)
        if region is not None:
            found = _absorb(found, region)
    live = [region for region in found if any(patches[index].strength > 0.0 for index in region.patches)]
    return sorted(live, key=lambda region: region.patches)


def _aligned(bounds: Bounds, index: int, *, width: int, height: int, margin: int) -> Region | None:
    x0, y0 = max(bounds[0] - margin, 0) // 2 * 2, max(bounds[1] - margin, 0) // 2 * 2
    x1, y1 = min(-(-(bounds[2] + margin) // 2) * 2, width), min(-(-(bounds[3] + margin) // 2) * 2, height)
    return Region(x0, y0, x1, y1, (index,)) if x0 < x1 and y0 < y1 else None


def _absorb(found: list[Region], region: Region) -> list[Region]:
    """`found` with `region` in it, merged with whatever it overlaps; a merged region may overlap more, hence the
    loop."""
    while True:
        apart = [other for other in found if not _overlap(region, other)]
        if len(apart) == len(found):
            return [*apart, region]
        for other in found:
            if _overlap(region, other):
                region = _union(region, other)
        found = apart


def _overlap(a: Region, b: Region) -> bool:
    return a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1


def _union(a: Region, b: Region) -> Region:
    corners = min(a.x0, b.x0), min(a.y0, b.y0), max(a.x1, b.x1), max(a.y1, b.y1)
    return Region(*corners, tuple(sorted(a.patches + b.patches)))
