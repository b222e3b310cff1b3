"""The background, upscaled apart from the faces: by a fixed kernel, which learned nothing and invents nothing; by the
network of `experts.compact`; by one of Real-ESRGAN's; or by one that the user brings along."""

from __future__ import annotations

from dataclasses import dataclass

from experts import compact, own_models, realesrgan
from experts.compact import CompactUpscaler
from experts.contract import ExpertError, ExpertInfo, Image, Upscaler
from experts.failures import no_such
from experts.kernels import KERNELS, LIGHT, KernelUpscaler
from experts.networks.blocks import CELL
from experts.pictures import PictureNetwork, Rescaled, Whole
from experts.realesrgan import Engine
from experts.tiling import TiledUpscaler
from weights.session import RuntimeSettings
from weights.store import Store

METHODS = (*KERNELS, compact.ID, *realesrgan.MODELS)
TILE = 192
"""Of networks that take a picture's RGB, where the setting leaves it to them: their memory grows with it, and at 192 px
what neighbours share costs 44 % more time."""

BackgroundNetwork = CompactUpscaler | PictureNetwork


@dataclass(frozen=True, slots=True)
class BackgroundSettings:
    """How the background is upscaled.

    `method`: "bicubic"; "lanczos": a little sharper, with more ringing, in four times the time; "compact", the small
    network; one of `experts.realesrgan.MODELS`; or the path of a network's weights, .pth or .safetensors, that spandrel
    knows. `engine`: what runs Real-ESRGAN, see `experts.realesrgan.choose_engine`. `denoise`: of realesr-general-x4v3,
    from 0, which keeps noise, to 1; below 1 it wants other weights, too. `licence`: of a file that the user brings
    along, to be told. `tile`: side in source pixels of the tiles to work in, 0 for what suits the method: the whole
    picture at once, or tiles of `TILE` where a network takes its RGB; `overlap`: pixels that neighbouring tiles share.
    Raises ExpertError where a value makes no sense.
    """

    method: str = "bicubic"
    engine: Engine = "auto"
    denoise: float = 1.0
    licence: str = ""
    tile: int = 0
    overlap: int = 32

    def __post_init__(self) -> None:
        if self.method not in METHODS and not own_models.is_file_name(self.method):
            raise no_such("background method", self.method, METHODS, more=own_models.A_FILE)
        if not 0.0 <= self.denoise <= 1.0:
            raise ExpertError(f"denoise lies between 0 (keeps noise) and 1, not {self.denoise}")
        if self.tile < 0 or self.overlap < 0:
            raise ExpertError(f"tile and overlap are 0 or more, not {self.tile} and {self.overlap}")
        if 0 < self.tile < 2 * self.overlap:
            raise ExpertError(
                f"a tile of {self.tile} px is less than twice the overlap of {self.overlap} px: enlarge it"
            )


def weights_of(settings: BackgroundSettings, store: Store, runtime: RuntimeSettings) -> tuple[str, ...]:
    """The ids of the weights that the chosen method needs. Raises ExpertError and WeightsError as `choose_engine`."""
    if settings.method in realesrgan.MODELS:
        name, denoise = settings.method, settings.denoise
        engine = realesrgan.choose_engine(name, settings.engine, store, runtime, denoise=denoise)
        return realesrgan.weights_of(name, engine, denoise)
    return (compact.WEIGHTS_ID,) if settings.method == compact.ID else ()


def check_packages(settings: BackgroundSettings, store: Store, runtime: RuntimeSettings) -> None:
    """Raises ExpertError where a package that the chosen method needs is missing or does not load, and both as
    `choose_engine`."""
    if settings.method in realesrgan.MODELS:
        engine = realesrgan.choose_engine(settings.method, settings.engine, store, runtime, denoise=settings.denoise)
        realesrgan.check_packages(settings.method, engine)
    elif own_models.is_file_name(settings.method):
        own_models.check_packages()


def load_network(settings: BackgroundSettings, store: Store, runtime: RuntimeSettings) -> BackgroundNetwork | None:
    """The network that `make_background` wants, if any. Raises WeightsError where its weights are missing or do not
    fit, and ExpertError where what it runs by is not installed."""
    if settings.method == compact.ID:
        return compact.make(store, runtime)
    if settings.method in realesrgan.MODELS:
        return realesrgan.load(settings.method, settings.engine, store, runtime, denoise=settings.denoise)
    if own_models.is_file_name(settings.method):
        return own_models.load_upscaler(settings.method, runtime, licence=settings.licence)
    return None


def make_background(
    settings: BackgroundSettings, scale: int, network: BackgroundNetwork | None = None
) -> PlaneUpscaler | PictureUpscaler:
    """The upscaler that `settings` describe; `network` as `load_network` gives it. Raises ExpertError for a scale that
    is none of `experts.kernels.SCALES`.

    A network for RGB works at scale 1, too: it takes away what a codec left, and what it enlarged is averaged down.
    """
    if network is None or isinstance(network, CompactUpscaler):
        return make_upscaler(settings, scale, network)
    kernel = KernelUpscaler(LIGHT, scale)
    light = PlaneUpscaler(kernel, kernel)
    work = _tiled(Rescaled(network, scale), network, settings)
    if network.channels == 1:
        return PlaneUpscaler(work, kernel, light=kernel)
    return PictureUpscaler(work, light)


def _tiled(upscaler: Upscaler, network: PictureNetwork, settings: BackgroundSettings) -> Upscaler:
    if network.whole and not settings.tile:
        return Whole(upscaler)
    tile = settings.tile or max(TILE, 2 * (settings.overlap + network.cell))
    return TiledUpscaler(upscaler, tile=tile, overlap=settings.overlap, step=network.cell)


def make_upscaler(settings: BackgroundSettings, scale: int, network: Upscaler | None = None) -> PlaneUpscaler:
    """The same for a method that works on planes: a kernel or `experts.compact`.

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
        return upscaler if isinstance(upscaler, KernelUpscaler) else Whole(upscaler)
    return TiledUpscaler(upscaler, tile=settings.tile, overlap=settings.overlap, step=step)


def _halvings(upscaler: Upscaler) -> int:
    return upscaler.degraded if isinstance(upscaler, TiledUpscaler) else 0


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
        return _halvings(self.luma)

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


@dataclass(frozen=True, slots=True, eq=False)
class PictureUpscaler:
    """Upscales the RGB of whole pictures by a network that learned on such. `light`: the planes for less.

    Colour goes through the network, too, though chroma by a kernel would do: networks of this kind see a picture's
    edges in all channels, and take a codec's blocks out of colour as they do out of luma. The time is the same.
    """

    network: Upscaler
    light: PlaneUpscaler

    @property
    def info(self) -> ExpertInfo:
        return self.network.info

    @property
    def degraded(self) -> int:
        """How many times the tiles had to be halved for want of memory."""
        return _halvings(self.network)

    def upscale_rgb(self, image: Image) -> Image:
        """(H, W, 3) uint8 RGB, enlarged. See `experts.contract.Upscaler`."""
        return self.network.upscale(image)

    def lighter(self) -> PlaneUpscaler:
        """The planes of the same frame for less."""
        return self.light
