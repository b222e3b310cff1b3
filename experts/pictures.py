"""Whole pictures through torch networks of the field, which take and give planes of 0 to 1; and to the scale that is
wanted, whatever theirs is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Protocol

import cv2
import numpy as np
import torch

from experts.contract import ExpertError, ExpertInfo, Image, Upscaler
from experts.failures import reason
from weights.session import RuntimeSettings, open_session


class PictureNetwork(Upscaler, Protocol):
    """An upscaler that is a network. `channels`: 3 for RGB, (H, W, 3), or 1 for a plane, (H, W). `cell`: tiles for it
    begin at multiples of so many pixels. `whole`: it looks at all of a picture at once, so that tiles would show."""

    @property
    def channels(self) -> int: ...

    @property
    def cell(self) -> int: ...

    @property
    def whole(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Told:
    """What the description of a network says of it; see `ExpertInfo`."""

    id: str
    scale: int
    weights: str
    licence: str


class TorchPictures:
    """A module from (1, C, H, W) of 0 to 1 to `scale` times its size, as an upscaler of uint8 pictures.

    It runs in torch, whatever `[runtime] runtime` says: it is foreign code, which was written for that. In half
    precision where the hardware has it, see `weights.runtime.RuntimeSettings`. Raises WeightsError where what `runtime`
    asks for is not there, and ExpertError for parameters that are not finite.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        told: Told,
        *,
        runtime: RuntimeSettings,
        channels: int = 3,
        cell: int = 1,
        whole: bool = False,
    ) -> None:
        if not all(torch.isfinite(parameter).all() for parameter in module.parameters()):
            raise ExpertError(f"the weights of {told.id} hold numbers that are not finite: fetch them anew")
        self.channels, self.cell, self.whole = channels, cell, whole
        self._session = open_session(
            _OnBytes(module),
            weights=None,
            input_shape=(1, None, None, channels),
            settings=replace(runtime, runtime="torch"),
        )
        taken = self._session.taken
        self._info = ExpertInfo(
            id=told.id,
            input_size=0,
            scale=told.scale,
            weights=told.weights,
            licence=told.licence,
            **asdict(taken),
        )

    @property
    def info(self) -> ExpertInfo:
        """`input_size` is 0: any size will do."""
        return self._info

    def upscale(self, image: Image) -> Image:
        """`image` (H, W, 3), or (H, W) where `channels` is 1, uint8, to `scale` times its height and width.

        Raises MemoryError where there is not enough, on the processor or the card, and ExpertError where the network
        fails otherwise or gives numbers that are not finite.
        """
        height, width = image.shape[:2]
        made, mean = self._run(np.ascontiguousarray(image).reshape(1, height, width, self.channels))
        if not np.isfinite(mean).all():
            raise ExpertError(
                f"{self._info.id} gave numbers that are not finite; check the weights, or set precision to float32"
            )
        wanted = (height * self._info.scale, width * self._info.scale, self.channels)
        if made.shape[1:] != wanted:
            raise ExpertError(f"{self._info.id} gave {made.shape[1:]} in the place of {wanted}")
        return made.reshape(wanted[:2] if image.ndim == 2 else wanted)

    def _run(self, batch: Image) -> tuple[Image, Image]:
        try:
            made, mean = self._session.run(batch)
        except RuntimeError as error:
            raise ExpertError(f"{self._info.id} failed: {reason(error)}") from error
        return made, mean


class _OnBytes(torch.nn.Module):
    """(1, H, W, C) uint8 in and out, and the mean of what came out, which tells whether any of it was no number."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self._network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # In one piece, as the networks' own programs have them: some say `view` of what is made of it.
        planes = (images.permute(0, 3, 1, 2).to(torch.float32) / 255.0).contiguous()
        made = self._network(planes).float()
        pictures = (made.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
        return pictures.permute(0, 2, 3, 1), made.mean()


class Whole:
    """An upscaler that gets every picture at once, because tiles would show: ends in a line where memory runs out."""

    def __init__(self, upscaler: Upscaler) -> None:
        self._upscaler = upscaler

    @property
    def info(self) -> ExpertInfo:
        return self._upscaler.info

    def upscale(self, image: Image) -> Image:
        """See `experts.contract.Upscaler`. Raises ExpertError where there is not memory enough."""
        try:
            return self._upscaler.upscale(image)
        except MemoryError as error:
            size = f"{image.shape[1]}x{image.shape[0]}"
            advice = "free some, or set [background] tile, whose edges may show"
            raise ExpertError(f"{self.info.id} has no memory for {size} at once ({reason(error)}); {advice}") from error


class Rescaled:
    """An upscaler at another scale than its own: averaged down by area, or bicubic where more is wanted.

    Real-ESRGAN's own program (`outscale`) comes down by Lanczos without a filter before it, which lets fine patterns
    alias; the mean over an area does not.
    """

    def __init__(self, upscaler: Upscaler, scale: int) -> None:
        self._upscaler = upscaler
        self._down = upscaler.info.scale > scale
        self._info = replace(upscaler.info, scale=scale)

    @property
    def info(self) -> ExpertInfo:
        return self._info

    def upscale(self, image: Image) -> Image:
        """See `experts.contract.Upscaler`."""
        made = self._upscaler.upscale(image)
        size = image.shape[1] * self._info.scale, image.shape[0] * self._info.scale
        if (made.shape[1], made.shape[0]) == size:
            return made
        kernel = cv2.INTER_AREA if self._down else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(made, size, interpolation=kernel), np.uint8)
