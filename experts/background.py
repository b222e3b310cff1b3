"""The background, upscaled apart from the faces: by a fixed kernel, which learned nothing and invents nothing, or by
the network of `experts.compact`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np

from experts import compact
from experts.compact import CompactUpscaler
from experts.contract import ExpertError, ExpertInfo, Image, Upscaler
from experts.networks.blocks import CELL
from experts.polyphase import Phase, bicubic_phases, centred, enlarge, lanczos_phases, left_sited
from experts.tiling import TiledUpscaler
from weights.session import RuntimeSettings
from weights.store import Store

SCALES = (1, 2, 4)
LIGHT = "bicubic"
"""The cheapest method: for chroma under the network, and where less is to be spent."""

_KERNELS: Mapping[str, Callable[[Sequence[float]], list[Phase]]] = MappingProxyType(
    {"bicubic": bicubic_phases, "lanczos": lanczos_phases}
)
METHODS = (*_KERNELS, compact.ID)


@dataclass(frozen=True, slots=True)
class BackgroundSettings:
    """How the background is upscaled.

    `method`: "bicubic"; "lanczos": a little sharper, with more ringing, in four times the time; or "compact", the
    network. `tile`: side in source pixels of the tiles to work in, 0 for the whole picture at once; `overlap`: pixels
    that neighbouring tiles share. Raises ExpertError where a value makes no sense.
    """

    method: str = "bicubic"
    tile: int = 0
    overlap: int = 32

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ExpertError(f"background method is one of {', '.join(METHODS)}, not {self.method!r}")
        if self.tile < 0 or self.overlap < 0:
            raise ExpertError(f"tile and overlap are 0 or more, not {self.tile} and {self.overlap}")
        if 0 < self.tile < 2 * self.overlap:
            raise ExpertError(
                f"a tile of {self.tile} px is less than twice the overlap of {self.overlap} px: enlarge it"
            )


def weights_of(settings: BackgroundSettings) -> tuple[str, ...]:
    """The ids of the weights that the chosen method needs."""
    return (compact.WEIGHTS_ID,) if settings.method == compact.ID else ()


def load_network(settings: BackgroundSettings, store: Store, runtime: RuntimeSettings) -> CompactUpscaler | None:
    """The network that `make_upscaler` wants, if any. Raises WeightsError where its weights are missing or do not
    fit."""
    return compact.make(store, runtime) if settings.method == compact.ID else None


def make_upscaler(settings: BackgroundSettings, scale: int, network: Upscaler | None = None) -> PlaneUpscaler:
    """The upscaler that `settings` describe; `network` as `load_network` gives it. Raises ExpertError for a scale that
    is none of `SCALES`.

    The network enlarges twice: what is left of 4 the kernel does, and at 1 there is nothing to do.
    """
    learned = settings.method == compact.ID
    kernel = KernelUpscaler(LIGHT if learned else settings.method, scale)
    if not learned or scale == 1:
        return PlaneUpscaler(_in_tiles(kernel, settings), kernel)
    if network is None:
        raise ExpertError(f"background method {compact.ID!r} wants its network: load it first")
    rest = scale // network.info.scale
    return PlaneUpscaler(
        _in_tiles(network, settings, step=CELL), kernel, rest=KernelUpscaler(LIGHT, rest), light=kernel
    )


def _in_tiles(upscaler: Upscaler, settings: BackgroundSettings, *, step: int = 1) -> Upscaler:
    if not settings.tile:
        return upscaler
    return TiledUpscaler(upscaler, tile=settings.tile, overlap=settings.overlap, step=step)


class KernelUpscaler:
    """Enlarges planes 1, 2 or 4 times by "bicubic" or "lanczos"; at 1 it hands back the very plane that it got."""

    def __init__(self, method: str, scale: int) -> None:
        """Raises ExpertError for an unknown method or scale."""
        if method not in _KERNELS:
            raise ExpertError(f"background method is one of {', '.join(_KERNELS)}, not {method!r}")
        if scale not in SCALES:
            raise ExpertError(f"scale is one of {', '.join(map(str, SCALES))}, not {scale}")
        self._method = method
        self._scale = scale
        self._centred = _KERNELS[method](centred(scale))
        self._left_sited = _KERNELS[method](left_sited(scale))
        self._info = ExpertInfo(
            id=method,
            input_size=0,
            scale=scale,
            weights="none",
            licence="none needed",
            device="cpu",
            runtime="opencv",
            precision="uint8",
        )

    @property
    def info(self) -> ExpertInfo:
        """`input_size` is 0: any size will do."""
        return self._info

    def upscale(self, image: Image) -> Image:
        """`image` (H, W) or (H, W, C) uint8, enlarged to (H * scale, W * scale[, C]), edges on edges."""
        if self._scale == 1:
            return image
        if self._method == "bicubic":
            size = image.shape[1] * self._scale, image.shape[0] * self._scale
            return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)
        if image.ndim == 2:
            return enlarge(image, self._centred, self._centred)
        channels = [
            enlarge(np.ascontiguousarray(plane), self._centred, self._centred) for plane in np.moveaxis(image, 2, 0)
        ]
        return np.stack(channels, axis=2)

    def upscale_chroma(self, plane: Image, *, luma_size: tuple[int, int]) -> Image:
        """A chroma plane of 4:2:0 video, (ceil(H / 2), ceil(W / 2)) uint8 to (ceil(H * scale / 2), ceil(W * scale /
        2)), where `luma_size` is the (H, W) of the luma before scaling.

        Samples stay where left-sited chroma has them, so that colour keeps its place under the enlarged luma. At
        640x360 to 1280x720 of chroma that takes 0.65 ms, against 0.43 ms of a cv2.resize that shifts colour by 1/8 of
        a sample.
        """
        if self._scale == 1:
            return plane
        height, width = ((side * self._scale + 1) // 2 for side in luma_size)
        # Under an odd side the last chroma sample reaches beyond the picture, and so do some of those that stem from
        # it.
        return np.ascontiguousarray(enlarge(plane, self._left_sited, self._centred)[:height, :width])


@dataclass(frozen=True, slots=True, eq=False)
class PlaneUpscaler:
    """Upscales the planes of a frame: `luma` by any upscaler, `chroma` by a kernel that knows where its samples lie.

    `rest`: what enlarges luma further. `light`: what luma can be had from for less, if anything.
    """

    luma: Upscaler
    chroma: KernelUpscaler
    rest: KernelUpscaler | None = None
    light: KernelUpscaler | None = None

    @property
    def info(self) -> ExpertInfo:
        return self.luma.info

    @property
    def degraded(self) -> int:
        """How many times the tiles had to be halved for want of memory."""
        return self.luma.degraded if isinstance(self.luma, TiledUpscaler) else 0

    def upscale(self, image: Image) -> Image:
        """See `experts.contract.Upscaler`."""
        enlarged = self.luma.upscale(image)
        return enlarged if self.rest is None else self.rest.upscale(enlarged)

    def upscale_chroma(self, image: Image, *, luma_size: tuple[int, int]) -> Image:
        """See `KernelUpscaler.upscale_chroma`."""
        return self.chroma.upscale_chroma(image, luma_size=luma_size)

    def lighter(self) -> PlaneUpscaler:
        """The same for less; itself where there is nothing to save."""
        return self if self.light is None else PlaneUpscaler(self.light, self.chroma)
