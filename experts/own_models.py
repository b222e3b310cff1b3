"""Networks that the user brings along: any restoration or super-resolution checkpoint that the package spandrel knows,
as a background or as a face expert.

spandrel finds architecture and size out of the names and shapes of the tensors. It is given tensors only: files are
read by `weights.loading`, which runs nothing that lies in them.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from blending.align import Template
from experts.compat import import_torchvision
from experts.contract import ExpertError, ExpertInfo, Image, check_crops
from experts.failures import reason
from experts.pictures import Told, TorchPictures
from weights.loading import load_safetensors, load_torch_file
from weights.packages import import_package
from weights.session import RuntimeSettings, choose_runtime, finest_half, takes_precision
from weights.store import sha256_of

SUFFIXES = (".pth", ".safetensors")
A_FILE = f"or a network's file ({' or '.join(SUFFIXES)})"
"""What may stand in the place of a name."""
FACE_SIDE = 128
"""Of the aligned crops, in pixels, that a network for any picture gets."""
_COARSEST_CELL = 16
_MOST_SAID = 160


def is_file_name(word: str) -> bool:
    """Whether a setting names a file of weights, and no method or expert."""
    return word.endswith(SUFFIXES)


def check_packages() -> None:
    """Raises ExpertError where spandrel or what it stands on is not installed or does not load."""
    _spandrel()


def load_upscaler(file: str, runtime: RuntimeSettings, *, licence: str = "") -> TorchPictures:
    """The network of `file` for whole pictures. `licence`: as the user states it, if at all.

    Raises WeightsError where the file can't be read, is damaged or holds code, and ExpertError where spandrel or what
    it stands on is not installed, or the network is none that enlarges or restores pictures of 3 or 1 channels.
    """
    path = Path(file).expanduser()
    return _pictures(_Network(_descriptor(path)), path, runtime, licence)


def load_expert(file: str, runtime: RuntimeSettings, *, licence: str = "") -> OwnExpert:
    """The network of `file` for faces. Raises as `load_upscaler`, and ExpertError where it takes no RGB."""
    path = Path(file).expanduser()
    network = _Network(_descriptor(path))
    if network.channels != 3:
        raise ExpertError(f"{path} takes {network.channels} channel, a face has 3: it may be a background")
    return OwnExpert(_pictures(network, path, runtime, licence), side=network.face_side, template=network.template)


class OwnExpert:
    """A user's network as a face expert: one aligned crop after the other, of `side` x `side` px."""

    def __init__(self, pictures: TorchPictures, *, side: int, template: Template) -> None:
        told = pictures.info
        self._pictures = pictures
        self._info = replace(told, input_size=side, template=template, most_at_once=1)

    @property
    def info(self) -> ExpertInfo:
        return self._info

    def restore(self, crops: Image) -> Image:
        """See `experts.contract.Expert`."""
        return self.begin(crops)()

    def begin(self, crops: Image) -> Callable[[], Image]:
        """See `experts.contract.Expert`; nothing is begun by itself."""
        check_crops(crops, self._info)
        return partial(self._restored, crops)

    def _restored(self, crops: Image) -> Image:
        side = self._info.input_size * self._info.scale
        try:
            made = [self._pictures.upscale(crop) for crop in crops]
        except MemoryError as error:
            raise ExpertError(f"{self._info.id} has no memory for a face: {reason(error)}") from error
        return np.stack(made) if made else np.empty((0, side, side, 3), np.uint8)


class _Network(torch.nn.Module):
    """What spandrel made, with its rules: it pads to the sizes that the network wants and cuts off again."""

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.module = descriptor.model
        # Not registered: its module is above.
        self._descriptor = descriptor
        self.channels: int = descriptor.input_channels
        self.scale: int = descriptor.scale
        self.whole: bool = descriptor.tiling.name != "SUPPORTED"
        self.able_of = {"float32": True, "bfloat16": descriptor.supports_bfloat16, "float16": descriptor.supports_half}
        self.cell: int = min(descriptor.size_requirements.multiple_of, _COARSEST_CELL)

    @property
    def face_side(self) -> int:
        """The side of aligned crops that suits its rules."""
        side: int = max(FACE_SIDE, self._descriptor.size_requirements.minimum)
        return side + int(self._descriptor.size_requirements.get_padding(side, side)[0])

    @property
    def template(self) -> Template:
        """How its aligned crops are cut: as the field's face networks have learned it, or ours for all others."""
        return "ffhq" if self._descriptor.purpose == "FaceSR" else "face"

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self._descriptor(picture)
        return made


def _pictures(network: _Network, path: Path, runtime: RuntimeSettings, licence: str) -> TorchPictures:
    on_torch = replace(runtime, runtime="torch")
    choose_runtime(on_torch)
    # Not all that can do with one half can do with the other.
    wishes = [finest_half(on_torch), on_torch]
    able = next((wish for wish in wishes if network.able_of[takes_precision(wish)]), None)
    if able is None and runtime.precision != "auto":
        raise ExpertError(f'{path.name} can\'t be run in {runtime.precision}; set precision to "auto" or "float32"')
    told = Told(
        path.stem,
        network.scale,
        f"{path.name}@{sha256_of(path)[:12]}",
        licence or f"licence of {path.name}: unknown, see its author",
    )
    return TorchPictures(
        network,
        told,
        runtime=able or replace(on_torch, precision="float32"),
        channels=network.channels,
        cell=network.cell,
        whole=network.whole,
    )


def _descriptor(path: Path) -> Any:
    # Read first: for a file that is not there nobody is to install anything.
    tensors = _tensors(path)
    spandrel = _spandrel()
    try:
        with warnings.catch_warnings():
            # Some architectures use words that torch is about to drop: nothing that a user could do about.
            warnings.simplefilter("ignore")
            found = spandrel.ModelLoader("cpu").load_from_state_dict(spandrel.canonicalize_state_dict(dict(tensors)))
    except spandrel.UnsupportedModelError as error:
        raise ExpertError(f"{path} is no network that spandrel knows; see its list of architectures") from error
    # Names that look like an architecture and are not whole: each architecture stumbles in a way of its own.
    except Exception as error:
        told = " ".join(str(error).split())[:_MOST_SAID] or type(error).__name__
        raise ExpertError(f"{path} looks like a network that spandrel knows, but does not fit: {told}") from error
    name = found.architecture.name
    if not isinstance(found, spandrel.ImageModelDescriptor):
        raise ExpertError(
            f"{path} is a network for {found.purpose.lower()} ({name}): take one that restores or enlarges"
        )
    if found.input_channels != found.output_channels or found.input_channels not in (1, 3):
        counts = f"{found.input_channels} channels and gives {found.output_channels}"
        raise ExpertError(f"{path} ({name}) takes {counts}: take one for RGB (3) or for brightness (1)")
    return found


def _tensors(path: Path) -> Mapping[str, torch.Tensor]:
    return load_safetensors(path) if path.suffix == ".safetensors" else load_torch_file(path)


def _spandrel() -> Any:
    # Without spandrel torchvision is not what is to be told of.
    if importlib.util.find_spec("spandrel") is not None:
        import_torchvision("spandrel")
    return import_package("spandrel", extra="spandrel", refusal=ExpertError)
