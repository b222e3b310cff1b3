"""One film, one picture: frames that change size or colour in mid-stream are made to fit the first."""

from __future__ import annotations

import cv2

from streamer.color import ColorSpec, Planes, allocate, from_rgb, to_rgb


def recolored(planes: Planes, source: ColorSpec, target: ColorSpec) -> Planes:
    """Planes in the matrix and range of `target`; the same ones where only tags differ."""
    if (source.matrix, source.full_range) == (target.matrix, target.full_range):
        return planes
    height, width = planes[0].shape
    return from_rgb(to_rgb(planes, source, (0, 0, width, height)), target)


def fitted(planes: Planes, height: int, width: int, *, black: tuple[int, int, int]) -> Planes:
    """The picture scaled into (height, width) with its proportions kept, centred on black."""
    old_height, old_width = planes[0].shape
    scale = min(height / old_height, width / old_width)
    rows, columns = _even(old_height * scale, height), _even(old_width * scale, width)
    top, left = (height - rows) // 4 * 2, (width - columns) // 4 * 2
    canvas = allocate(height, width)
    for plane, source, level, half in zip(canvas, planes, black, (1, 2, 2), strict=True):
        size = -(-columns // half), -(-rows // half)
        plane[:] = level
        y, x = top // half, left // half
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        plane[y : y + size[1], x : x + size[0]] = cv2.resize(source, size, interpolation=interpolation)
    return canvas


def _even(length: float, limit: int) -> int:
    """An even number of pixels near `length`, or all of `limit`."""
    nearest = max(2, 2 * round(length / 2))
    return limit if nearest >= limit else nearest
