"""Writing on photographs, as slides, signs, captions and screens have it: portraits have none, and nothing else shows
so soon whether an upscaler keeps thin strokes."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from experts.contract import Image
from experts.training.photos import Photo

FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
)
LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,:;!?%&/()-+=#@"))
CAPITAL = 22.0
"""Height of a capital letter of these fonts at size 1, in pixels."""
CAPITALS = (5.0, 22.0)
"""Heights of capitals, in pixels of the small picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Written(Photo):
    """A photograph whose picture is here already, with writing on it."""

    picture: Image = field(kw_only=True)

    def read(self) -> Image:
        return self.picture


def write(picture: Image, unit: float, random: np.random.Generator) -> Image:
    """A copy of (H, W, 3) with lines of writing all over it, on a slide of one colour or on what is there.

    `unit`: pixels of the picture to one of the small one that it will become.
    """
    written = picture.copy()
    capital = unit * float(np.exp(random.uniform(*np.log(CAPITALS))))
    size = capital / CAPITAL
    font = int(random.choice(FONTS))
    thick = max(1, round(capital * float(random.uniform(0.05, 0.16))))
    ink, paper = _colours(random)
    if random.random() < 0.6:
        written[:] = paper
    for line in range(int(picture.shape[0] / (2 * capital)) + 1):
        letters = "".join(random.choice(LETTERS, int(random.integers(4, 60))))
        words = letters.replace("e", " ").replace("#", " ")
        place = (round(capital * float(random.uniform(-1, 4))), round(capital * (1.3 + 2 * line)))
        cv2.putText(written, words, place, font, size, ink, thick, cv2.LINE_AA)
    return written


def _colours(random: np.random.Generator) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of ink and paper: far enough apart to be read, either may be the darker."""
    dark = random.uniform(0, 90, 3)
    light = np.minimum(dark + random.uniform(70, 220), 255)
    pair = (tuple(dark.tolist()), tuple(light.tolist()))
    return pair if random.random() < 0.6 else (pair[1], pair[0])
