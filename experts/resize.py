"""The expert that learned nothing: a face enlarged from the source by a fixed kernel.

For the resize lane over a background that a learned upscaler made: a face that is large enough must not pass through
learned processing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from experts.contract import ExpertError, ExpertInfo, Image, check_crops

ID = "resize"


class ResizeExpert:
    """Enlarges crops of `input_size` px by a whole `scale` of 2 or more: Lanczos over 8x8 pixels (INTER_LANCZOS4)."""

    def __init__(self, input_size: int = 240, scale: int = 2) -> None:
        if input_size < 1 or scale < 2:
            raise ExpertError(
                f"resize takes crops of 1 px or more and a scale of 2 or more, not {input_size} and {scale}"
            )
        self._info = ExpertInfo(
            id=ID,
            input_size=input_size,
            scale=scale,
            weights="none",
            licence="none needed",
            device="cpu",
            runtime="opencv",
            precision="uint8",
        )

    @property
    def info(self) -> ExpertInfo:
        return self._info

    def restore(self, crops: Image) -> Image:
        """See `experts.contract.Expert`. Raises ExpertError for crops of another shape or type."""
        check_crops(crops, self._info)
        side = self._info.input_size * self._info.scale
        enlarged = np.empty((len(crops), side, side, 3), np.uint8)
        for crop, large in zip(crops, enlarged, strict=True):
            cv2.resize(crop, (side, side), dst=large, interpolation=cv2.INTER_LANCZOS4)
        return enlarged

    def begin(self, crops: Image) -> Callable[[], Image]:
        """Begins nothing by itself: it takes less than to begin would save."""
        check_crops(crops, self._info)
        return partial(self.restore, crops)
