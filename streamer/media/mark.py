"""The mark that says in the picture itself that it was enhanced."""

from __future__ import annotations

from streamer.color import ColorSpec
from streamer.media.caption import Planes, plate, stamp, yuv_of

WORDS = "AI-enhanced"
_INK, _PAPER = (235, 235, 235), (40, 40, 40)
# At 360 lines letters in 12 pixels are as small as can be read; above, they grow with the picture.
_MIN_HEIGHT, _SHARE = 12, 40


def draw_mark(planes: Planes, color: ColorSpec) -> None:
    """Writes `WORDS` into the lower right corner of writeable planes, a fortieth of the picture high."""
    height, width = planes[0].shape
    label = plate(WORDS, max(_MIN_HEIGHT, height // _SHARE // 2 * 2), yuv_of(_INK, color), yuv_of(_PAPER, color))
    high, wide = label[0].shape
    margin = high // 2
    stamp(planes, label, max(0, width - wide - margin), max(0, height - high - margin))
