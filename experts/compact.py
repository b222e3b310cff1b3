"""The background, enlarged by a network that knows what codecs leave behind. See `experts.networks.background`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import torch

from experts.contract import ExpertError, ExpertInfo, Image
from experts.failures import reason
from experts.networks.background import MIDDLE, BackgroundCorrection
from experts.networks.blocks import CELL
from weights.session import RuntimeSettings, open_session
from weights.store import Store

ID = "compact"
WEIGHTS_ID = "facelane-background"


class CompactUpscaler:
    """Enlarges planes twice: bicubic, and what the network adds to it.

    `label` and `licence` are what its description says of the `weights`. Raises WeightsError where those do not fit or
    what `runtime` asks for is not there, and ExpertError where they hold numbers that are not finite.
    """

    def __init__(self, *, weights: Path, label: str, licence: str, runtime: RuntimeSettings) -> None:
        network = BackgroundCorrection()
        # Of one open shape: compiled for one size it would be a fifth faster, and every new size would wait.
        self._session = open_session(network, weights=weights, input_shape=(1, None, None), settings=runtime)
        # Bytes cannot say that a number was none.
        if not all(torch.isfinite(parameter).all() for parameter in network.parameters()):
            raise ExpertError(f"{weights} holds numbers that are not finite: fetch or train it anew")
        taken = self._session.taken
        self._info = ExpertInfo(
            id=ID,
            input_size=0,
            scale=BackgroundCorrection.scale,
            weights=label,
            licence=licence,
            **asdict(taken),
        )

    @property
    def info(self) -> ExpertInfo:
        """`input_size` is 0: any size will do."""
        return self._info

    def upscale(self, image: Image) -> Image:
        """`image` (H, W) or (H, W, C) uint8, enlarged to (2H, 2W[, C]), edges on edges; channels one by one.

        Raises MemoryError or torch.OutOfMemoryError where there is not enough, and ExpertError where the runtime fails
        otherwise.
        """
        if image.ndim == 2:
            return self._enlarge(image)
        return np.stack([self._enlarge(np.ascontiguousarray(plane)) for plane in np.moveaxis(image, 2, 0)], axis=2)

    def _enlarge(self, plane: Image) -> Image:
        height, width = plane.shape
        correction = self._correct(_padded(plane))[: 2 * height, : 2 * width]
        enlarged = cv2.resize(plane, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
        return np.asarray(cv2.addWeighted(enlarged, 1.0, correction, 1.0, -MIDDLE, dst=enlarged), np.uint8)

    def _correct(self, plane: Image) -> Image:
        try:
            (correction,) = self._session.run(plane[None])
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            if "bad_alloc" in str(error):  # how OpenVINO says it
                raise MemoryError(str(error)) from error
            raise ExpertError(f"{ID} failed: {reason(error)}") from error
        return np.asarray(correction[0], np.uint8)


def make(store: Store, runtime: RuntimeSettings) -> CompactUpscaler:
    """The upscaler with the weights of the manifest. Raises WeightsError where they are missing."""
    entry = store.entry(WEIGHTS_ID)
    return CompactUpscaler(weights=store.find(WEIGHTS_ID), label=entry.digest, licence=entry.licence, runtime=runtime)


def _padded(plane: Image) -> Image:
    """To whole cells, by repeating the last row and column."""
    height, width = plane.shape
    below, right = -height % CELL, -width % CELL
    if not (below or right):
        return plane
    return np.asarray(cv2.copyMakeBorder(plane, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
