"""Real-ESRGAN (Wang et al. 2021, ICCVW) for the background: its four networks, by two ways.

By "torch": the architectures of the packages basicsr and realesrgan, on a GPU or the CPU. By "ncnn": the files that
the project made for that runtime, on the CPU.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import torch
from torch.nn import functional

from experts.compat import import_gan
from experts.contract import ExpertError
from experts.ncnn_network import NcnnNetwork
from experts.pictures import PictureNetwork, Told, TorchPictures
from weights.loading import load_strict, load_torch_file
from weights.session import RuntimeSettings, choose_runtime, finest_half
from weights.store import Store

logger = logging.getLogger(__name__)

Engine = Literal["auto", "torch", "ncnn"]
ARCHITECTURES: Mapping[str, str] = MappingProxyType(
    {"RRDBNet": "basicsr.archs.rrdbnet_arch", "SRVGGNetCompact": "realesrgan.archs.srvgg_arch"}
)
"""By the modules that they are in."""
EVERY_NOISE = 1.0
"""The denoising strength at which the network is the first of its two files alone."""


@dataclass(frozen=True, slots=True)
class Model:
    """One network. `body`: blocks of an RRDBNet or convolutions of an SRVGGNetCompact. `weaker`: the id of weights that
    keep noise, to be mixed with its own. `ncnn_scale`: what its files for ncnn enlarge by, None where there are none.
    """

    architecture: Literal["RRDBNet", "SRVGGNetCompact"]
    body: int
    scale: int
    weaker: str | None = None
    ncnn_scale: int | None = None

    @property
    def cell(self) -> int:
        """Source pixels to a side that RRDBNet folds into one."""
        return 4 // self.scale if self.architecture == "RRDBNet" else 1


MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "realesrgan-x4plus": Model("RRDBNet", 23, 4, ncnn_scale=4),
        "realesrgan-x2plus": Model("RRDBNet", 23, 2),
        "realesr-general-x4v3": Model("SRVGGNetCompact", 32, 4, weaker="realesr-general-wdn-x4v3"),
        "realesr-animevideov3": Model("SRVGGNetCompact", 16, 4, ncnn_scale=2),
    }
)


def choose_engine(name: str, wanted: Engine, store: Store, runtime: RuntimeSettings, *, denoise: float) -> Engine:
    """The way that is taken, "torch" or "ncnn", told to the log; fetches nothing.

    "auto" is torch where a GPU is asked for, or where its weights are here and its packages load: on a processor, too,
    it is as fast as ncnn, and with bfloat16 three to six times as fast; else ncnn where the model has such files, else
    torch. Raises ExpertError for a way that the model does not have, WeightsError as `choose_runtime`.
    """
    model = MODELS[name]
    if wanted == "ncnn" and model.ncnn_scale is None:
        raise ExpertError(f'{name} has no files for ncnn; set [background] engine to "torch" or "auto"')
    if wanted != "auto" or model.ncnn_scale is None:
        return "torch" if wanted == "auto" else wanted
    on_gpu = _on_gpu(runtime)
    if on_gpu and runtime.device == "cuda":
        return "torch"
    missing = [id for id in torch_weights(name, denoise) if id not in store.entries or store.present(id) is None]
    if missing and on_gpu:
        logger.warning("%s runs by ncnn on the CPU: its weights for the GPU, %s, are not here", name, missing[0])
    return "ncnn" if missing or not (on_gpu or _loads(name)) else "torch"


def _loads(name: str) -> bool:
    try:
        check_packages(name, "torch")
    except ExpertError as error:
        logger.info("%s runs by ncnn, though its weights for torch are here: %s", name, error)
        return False
    return True


def _on_gpu(runtime: RuntimeSettings) -> bool:
    return runtime.device != "cpu" and choose_runtime(RuntimeSettings(device=runtime.device)) == "torch"


def torch_weights(name: str, denoise: float) -> tuple[str, ...]:
    """The ids of the weights for torch at that denoising strength: its own, those that keep noise, or both."""
    weaker = MODELS[name].weaker
    if weaker is None or denoise == EVERY_NOISE:
        return (name,)
    return (name, weaker) if denoise else (weaker,)


def weights_of(name: str, engine: Engine, denoise: float) -> tuple[str, ...]:
    """The ids of all files that the chosen way needs."""
    return (f"{name}-param", f"{name}-bin") if engine == "ncnn" else torch_weights(name, denoise)


def check_packages(name: str, engine: Engine) -> None:
    """Raises ExpertError where a package by which the model is run that way is missing or does not load."""
    if engine == "ncnn":
        NcnnNetwork.check_runtime()
    else:
        import_gan(ARCHITECTURES[MODELS[name].architecture])


def load(name: str, wanted: Engine, store: Store, runtime: RuntimeSettings, *, denoise: float) -> PictureNetwork:
    """The network, ready to run. `denoise`: 0 keeps noise, 1 takes all away, for a model with weights of both kinds.

    Raises ExpertError where the way is not there or its packages are not installed, and WeightsError where weights are
    missing or do not fit.
    """
    engine = choose_engine(name, wanted, store, runtime, denoise=denoise)
    logger.info("%s runs by %s", name, engine)
    return open_ncnn(name, store, runtime) if engine == "ncnn" else _open_torch(name, store, runtime, denoise)


def open_ncnn(name: str, store: Store, runtime: RuntimeSettings) -> NcnnNetwork:
    """The network by ncnn. The runtime is looked for first: without it the weights are for nothing."""
    NcnnNetwork.check_runtime()
    scale, entry = MODELS[name].ncnn_scale, store.entry(f"{name}-bin")
    if scale is None:
        raise ExpertError(f"{name} has no files for ncnn")
    return NcnnNetwork(
        store.find(f"{name}-param"),
        store.find(entry.id),
        id=name,
        scale=scale,
        label=entry.digest,
        licence=entry.licence,
        threads=runtime.threads,
    )


def _open_torch(name: str, store: Store, runtime: RuntimeSettings, denoise: float) -> TorchPictures:
    model = MODELS[name]
    module = build(model)
    ids = torch_weights(name, denoise)
    entries = [store.entry(id) for id in ids]
    load_mixed(module, [store.find(id) for id in ids], share=denoise)
    label = " + ".join(entry.digest for entry in entries) + (f", denoise {denoise:g}" if model.weaker else "")
    told = Told(name, model.scale, label, ", ".join(dict.fromkeys(entry.licence for entry in entries)))
    return TorchPictures(_Padded(module, model), told, runtime=finest_half(runtime), cell=model.cell)


def load_mixed(module: torch.nn.Module, files: list[Path], *, share: float) -> None:
    """Sets the parameters from one file; or from two, `share` of the first and the rest of the second.

    Deep network interpolation (Wang et al. 2019, CVPR), as Real-ESRGAN's own program does it with its `-dn`. Raises
    WeightsError where a file is not exactly this network's.
    """
    for path in reversed(files):
        tensors = load_torch_file(path)
        if path is files[0] and len(files) == 2:
            before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
        load_strict(module, tensors, path=path)
    if len(files) == 2:
        mixed = {key: share * tensor + (1.0 - share) * before[key] for key, tensor in module.state_dict().items()}
        module.load_state_dict(mixed, strict=True)


def build(model: Model) -> torch.nn.Module:
    """As Real-ESRGAN's own program builds it. Raises ExpertError where the packages are not there."""
    if model.architecture == "RRDBNet":
        make = import_gan(ARCHITECTURES[model.architecture]).RRDBNet
        built = make(3, 3, scale=model.scale, num_feat=64, num_block=model.body, num_grow_ch=32)
    else:
        make = import_gan(ARCHITECTURES[model.architecture]).SRVGGNetCompact
        built = make(3, 3, num_feat=64, num_conv=model.body, upscale=model.scale, act_type="prelu")
    assert isinstance(built, torch.nn.Module)
    return built


class _Padded(torch.nn.Module):
    """The network for pictures of any size: reflected at the right and below to whole cells, as its own program does
    it, and cut off again."""

    def __init__(self, network: torch.nn.Module, model: Model) -> None:
        super().__init__()
        self._network, self._cell, self._scale = network, model.cell, model.scale

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        height, width = picture.shape[2:]
        right, below = -width % self._cell, -height % self._cell
        # A side of one pixel has nothing to reflect.
        mode = "reflect" if min(height, width) > 1 else "replicate"
        padded = functional.pad(picture, (0, right, 0, below), mode=mode) if right or below else picture
        made: torch.Tensor = self._network(padded)
        return made[..., : height * self._scale, : width * self._scale]
