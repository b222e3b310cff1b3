"""The patch: a restored square of picture and where it belongs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Planes = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A restored crop to be laid over a background.

    `image`: (N, N, 3) uint8 RGB, or of another kind that the background is of too: (N, N) or (N, N, C). `to_frame`:
    (2, 3) float64, the affine map from patch pixels (x, y), pixel centres at whole numbers, to pixels of the
    background. `strength`: 0 leaves the background, 1 takes the patch whole.
    """

    image: Image
    to_frame: npt.NDArray[np.float64]
    strength: float = 1.0

    def __post_init__(self) -> None:
        shape = self.image.shape
        if len(shape) not in (2, 3) or shape[0] != shape[1] or shape[2:] > (4,) or self.image.dtype != np.uint8:
            raise ValueError(f"a patch is (N, N) or (N, N, C) uint8, not {shape} {self.image.dtype}")
        if self.to_frame.shape != (2, 3) or not np.isfinite(self.to_frame).all():
            raise ValueError(f"to_frame is (2, 3) and finite, not {self.to_frame.tolist()}")
        if not self.scale > 0.0:
            raise ValueError(f"to_frame squeezes the patch to nothing: {self.to_frame.tolist()}")
        if not 0.0 <= self.strength <= 1.0:
            raise ValueError(f"strength lies between 0 and 1, not {self.strength}")

    @property
    def scale(self) -> float:
        """Pixels of the background that one pixel of the patch covers, along one side."""
        (a, b, _), (c, d, _) = self.to_frame.tolist()
        return float(abs(a * d - b * c) ** 0.5)

    @property
    def side(self) -> float:
        """Side of the patch as it lies in the background, in pixels."""
        return float(self.image.shape[0]) * self.scale

    def shifted(self, dx: float, dy: float) -> Patch:
        """The same patch, moved by (`dx`, `dy`) pixels of the background; the image is shared."""
        to_frame = self.to_frame + np.array([[0.0, 0.0, dx], [0.0, 0.0, dy]])
        return Patch(self.image, to_frame, self.strength)

    def __repr__(self) -> str:
        return f"Patch({self.image.shape[0]} px, strength={self.strength:.2f})"
