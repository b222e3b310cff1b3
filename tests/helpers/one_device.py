"""Whether networks keep to the device that they are on, told without a card: `python -m tests.helpers.one_device`.

A device by the name of "card" is registered with torch, and the networks run on torch's fake tensors of it, which know
shapes and devices and compute nothing. What a network makes on the processor meets them as it would meet CUDA's: with
an error. The registration is for the whole process, so this has one of its own.

Prints a line of JSON: the networks, each with what it died of, empty where it did not.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils import backend_registration

from experts import face_parser
from experts.networks import NETWORKS
from experts.networks.background import BackgroundCorrection
from experts.networks.dlib_resnet import SIDE as CHIP
from experts.networks.dlib_resnet import DlibResNet
from experts.networks.restorer import Restorer
from experts.pictures import Told, TorchPictures
from routing import retinaface
from routing.networks import ONET_SIZE, RNET_SIZE, ONet, PNet, RNet
from tests.helpers.torchvision_here import make_importable
from weights import session
from weights.runtime import RuntimeSettings, Taken

ON_TORCH = RuntimeSettings(device="cpu", runtime="torch", precision="float32")
OPEN_BATCH, OPEN_EXTENT = 2, 64


class Card:
    """Takes the place of a session on torch: what it is made with runs once, on fake tensors."""

    taken = Taken(device="card", runtime="torch", precision="float32")

    def __init__(
        self,
        module: nn.Module,
        *,
        input_shape: tuple[int | None, ...],
        settings: RuntimeSettings,
        dtype: npt.DTypeLike,
    ) -> None:
        assert settings.runtime == "torch"
        first, *others = input_shape
        shape = (first or OPEN_BATCH, *(extent or OPEN_EXTENT for extent in others))
        # What is no parameter and no buffer stays on the processor, as it would beside a card.
        mode = FakeTensorMode(allow_non_fake_inputs=True)
        _move(module, mode)
        with mode, torch.no_grad():
            result = module(torch.zeros(shape, dtype=torch.from_numpy(np.empty(0, dtype)).dtype, device="card"))
        outputs = result if isinstance(result, tuple | list) else (result,)
        assert {output.device.type for output in outputs} == {"card"}


def _move(module: nn.Module, mode: FakeTensorMode) -> None:
    for part in module.modules():
        for held in (part._parameters, part._buffers):
            for name, tensor in [(name, tensor) for name, tensor in held.items() if tensor is not None]:
                # A parameter made of a fake tensor would not be fake.
                del held[name]
                part._buffers[name] = FakeTensor(mode, tensor.detach().to("meta"), torch.device("card", 0))


class Stray(nn.Module):
    """Makes something on the processor, whatever it is on: to see that this is seen."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures + torch.arange(pictures.shape[-1])


def own() -> Mapping[str, Callable[[], Any]]:
    """What ships, dlib's, facexlib's, and one that must fail."""

    def opened(module: nn.Module, *extents: int | None) -> object:
        return session.open_session(module, weights=None, input_shape=extents, settings=ON_TORCH)

    def expert(id: str) -> Callable[[], Any]:
        side = NETWORKS[id].input_size
        return lambda: opened(Restorer(NETWORKS[id]()), None, side, side, 3)

    def finder(id: str) -> Callable[[], Any]:
        return lambda: retinaface.RetinaFaceFinder(retinaface.build_network(id), ON_TORCH)

    return {
        **{id: expert(id) for id in NETWORKS},
        "stray": lambda: opened(Stray(), 1, None, None),
        "background": lambda: opened(BackgroundCorrection(), 1, None, None),
        "mtcnn-pnet": lambda: opened(PNet(), 1, None, None, 3),
        "mtcnn-rnet": lambda: opened(RNet(), None, RNET_SIZE, RNET_SIZE, 3),
        "mtcnn-onet": lambda: opened(ONet(), None, ONET_SIZE, ONET_SIZE, 3),
        "dlib": lambda: opened(DlibResNet(), None, CHIP, CHIP, 3),
        "parsenet": lambda: face_parser.FaceParser(face_parser.build_network(), ON_TORCH),
        **{id: finder(id) for id in retinaface.NETWORKS},
    }


def packages() -> Mapping[str, Callable[[], Any]]:
    """Those of packages that need basicsr, made small."""
    from experts.gfpgan import GfpganExpert
    from experts.realesrgan import MODELS, _Padded, build
    from tests.helpers.gfpgan import SMALL, small_network

    def gfpgan(version: Any) -> Callable[[], Any]:
        network, side = small_network(version), SMALL[version].side
        return lambda: GfpganExpert(network, side, label="", licence="", runtime=ON_TORCH)

    def realesrgan(name: str) -> Callable[[], Any]:
        model = replace(MODELS[name], body=1)
        return lambda: TorchPictures(_Padded(build(model), model), Told(name, model.scale, "", ""), runtime=ON_TORCH)

    return {
        **{f"gfpgan-{version}": gfpgan(version) for version in SMALL},
        **{name: realesrgan(name) for name in MODELS},
    }


def main(*, with_basicsr: bool) -> int:
    backend_registration._setup_privateuseone_for_python_backend("card")
    make_importable()
    vars(session)["TorchSession"] = Card  # where `open_session` looks for it
    found = {}
    for name, make in {**own(), **(packages() if with_basicsr else {})}.items():
        try:
            make()
        except Exception as error:  # whatever it is, it is told
            found[name] = f"{type(error).__name__}: {error}"
        else:
            found[name] = ""
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(with_basicsr=sys.version_info < (3, 13)))
