"""The architectures of GFPGAN's versions, as its package has them, and files of weights in their layout.

Version 1 is the paper's (`GFPGANv1`, StyleGAN2 with its operators); 1.2, 1.3 and 1.4 are one architecture without those
(`GFPGANv1Clean`) trained in different ways, and can't be told apart by their files. The numbers are those that the
package's own `inference_gfpgan.py` gives to `GFPGANer`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from torch import Tensor, nn

from experts import gfpgan_operators
from experts.compat import import_gan
from weights.loading import load_strict, load_torch_file

Version = Literal["1", "1.2", "1.3", "1.4"]

_BASE_CHANNELS = 256
"""Of the encoder where it is smallest, at a `narrow` of 1."""
_CHANNELS_AT_64 = 128
"""Of the encoder at 64 px, at a `narrow` and a `channel_multiplier` of 1."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a network is: the side of its pictures in pixels, and the shares of its channels, by the package's
    names."""

    side: int = 512
    narrow: float = 1.0
    channel_multiplier: float = 2.0


OFFICIAL: Mapping[Version, Size] = MappingProxyType(
    {"1": Size(channel_multiplier=1.0), "1.2": Size(), "1.3": Size(), "1.4": Size()}
)


def import_package(version: Version) -> None:
    """Raises ExpertError where what that version needs is missing or does not load."""
    _architecture(version)


def read_network(path: Path, version: Version, *, own: bool) -> tuple[nn.Module, int]:
    """The network of that version with the weights of `path`, and the side of its pictures.

    `own`: the file is none of the project's, so that the network may be of another size, as the package's training
    allows. Raises ExpertError as `import_package`, and WeightsError where the file does not fit.
    """
    architecture = _architecture(version)
    tensors = load_torch_file(path)
    size = size_of(tensors, OFFICIAL[version]) if own else OFFICIAL[version]
    network = _built(architecture, size)
    load_strict(network, tensors, path=path)
    return network, size.side


def build_network(version: Version, size: Size) -> nn.Module:
    """The package's network with random weights. Raises ExpertError where the package is missing or does not load."""
    return _built(_architecture(version), size)


def size_of(tensors: Mapping[str, Tensor], otherwise: Size) -> Size:
    """The size of the network that those weights belong to; `otherwise` where they are none of GFPGAN's."""
    last = _first(tensors, "final_conv.weight", "final_conv.0.weight")
    halvings = len({key.split(".")[1] for key in tensors if key.startswith("conv_body_down.")})
    if last is None or not 1 <= halvings <= 8:
        return otherwise
    narrow = last.shape[0] / _BASE_CHANNELS
    at_64 = tensors.get("conv_body_up.3.conv2.weight")
    multiplier = otherwise.channel_multiplier if at_64 is None else at_64.shape[0] / (_CHANNELS_AT_64 * narrow)
    return Size(2 ** (halvings + 2), narrow, multiplier)


def _first(tensors: Mapping[str, Tensor], *keys: str) -> Tensor | None:
    return next((tensors[key] for key in keys if key in tensors), None)


def _architecture(version: Version) -> Callable[..., nn.Module]:
    if version != "1":
        clean: Callable[..., nn.Module] = import_gan("gfpgan.archs.gfpganv1_clean_arch").GFPGANv1Clean
        return clean
    original: Callable[..., nn.Module] = import_gan("gfpgan.archs.gfpganv1_arch").GFPGANv1
    gfpgan_operators.provide()
    return original


def _built(architecture: Callable[..., nn.Module], size: Size) -> nn.Module:
    network = architecture(
        out_size=size.side,
        num_style_feat=512,
        channel_multiplier=size.channel_multiplier,
        narrow=size.narrow,
        num_mlp=8,
        input_is_latent=True,
        different_w=True,
        sft_half=True,
    )
    gfpgan_operators.register_kernels(network)
    return network
