"""What the methods make of faces, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from experts.contract import Image
from experts.quality.methods import Enlarged
from experts.quality.sample import SCALE, Group, Sample

CELL = 240
"""Side of a face on the sheet, in pixels."""
FACES = 2
"""Faces of each group that are shown."""
_HEAD, _SIDE = 30, 118
_INK, _PAPER = (30, 30, 30), 255
_AROUND = -0.02
"""How much more than the face is shown on either side, over its height: a little less, for a square is wide enough."""


@dataclass(frozen=True, slots=True)
class _Shown:
    label: tuple[str, ...]
    cells: Mapping[str, Image]


class Sheet:
    """Keeps the first faces of each group; `columns` name the methods, in their order."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = ("source", *columns, "truth")
        self._rows: list[_Shown] = []
        self._count: dict[Group, int] = {}

    def add(self, sample: Sample, results: Mapping[str, Enlarged]) -> None:
        group = sample.group
        self._count[group] = self._count.get(group, 0) + 1
        if self._count[group] > FACES:
            return
        frame = min(sample.frames, *(len(result.pictures) for result in results.values())) - 1
        # Pixels as they are, so that one sees what there was to begin with.
        raw = cv2.resize(sample.low[frame], None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_NEAREST)
        pictures = {"source": np.asarray(raw, np.uint8), "truth": sample.high[frame]}
        pictures |= {name: result.pictures[frame] for name, result in results.items()}
        label: tuple[str, ...] = (group.source, f"{sample.width:.0f} px", group.sharpness)
        if sample.routed is not None:
            label = (*label, "routed:", sample.routed.lanes[frame])
        area = sample.area(frame)
        self._rows.append(_Shown(label, {name: _face(picture, area) for name, picture in pictures.items()}))

    def picture(self) -> Image:
        """(H, W, 3) uint8 RGB; rows are faces, columns methods, empty where a method did not see a face."""
        columns = [name for name in self._columns if any(name in row.cells for row in self._rows)]
        height, width = _HEAD + CELL * len(self._rows), _SIDE + CELL * len(columns)
        sheet = np.full((height, width, 3), _PAPER, np.uint8)
        for place, name in enumerate(columns):
            _write(sheet, name, _SIDE + CELL * place + 6, _HEAD - 10)
        for line, row in enumerate(self._rows):
            top = _HEAD + CELL * line
            for number, words in enumerate(row.label):
                _write(sheet, words, 6, top + 24 + 22 * number)
            for place, name in enumerate(columns):
                left = _SIDE + CELL * place
                if name not in row.cells:
                    _write(sheet, "not measured", left + 70, top + CELL // 2)
                else:
                    sheet[top + 1 : top + CELL - 1, left + 1 : left + CELL - 1] = row.cells[name]
        return sheet


def _face(picture: Image, area: tuple[slice, slice]) -> Image:
    """A square about the face, as large as a cell without its rim."""
    rows, columns = area
    reach = (0.5 + _AROUND) * (rows.stop - rows.start)
    middle = (columns.start + columns.stop - 1) / 2, (rows.start + rows.stop - 1) / 2
    size = CELL - 2
    zoom = size / (2 * reach)
    move = np.array([[zoom, 0.0, size / 2 - zoom * middle[0]], [0.0, zoom, size / 2 - zoom * middle[1]]])
    shown = cv2.warpAffine(picture, move, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(shown, np.uint8)


def _write(sheet: Image, words: str, x: int, y: int) -> None:
    size = 0.5
    room = CELL - 12
    (width, _), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    size *= min(1.0, room / max(width, 1))
    cv2.putText(sheet, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)
