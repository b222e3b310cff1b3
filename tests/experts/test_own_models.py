"""Networks that the user brings along, as spandrel knows them: as a background, as an expert, and what is refused."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from experts.background import BackgroundSettings, PictureUpscaler, PlaneUpscaler, load_network, make_background
from experts.catalog import ExpertSettings, make_expert
from experts.contract import ExpertError, Image
from experts.pictures import Told, TorchPictures
from tests.helpers.torchvision_here import make_importable
from weights.errors import WeightsError
from weights.session import RuntimeSettings
from weights.store import Store

CPU = RuntimeSettings(device="cpu", precision="float32")
SIZE = (37, 45)


def architecture(module: str, name: str, **sizes: Any) -> torch.nn.Module:
    """One of spandrel's own classes, with random weights."""
    make_importable()
    torch.manual_seed(3)
    package = importlib.import_module(f"spandrel.architectures.{module}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = getattr(package, name)(**sizes)
    assert isinstance(network, torch.nn.Module)
    return network


def compact(channels: int = 3) -> torch.nn.Module:
    return architecture(
        "Compact", "Compact", num_in_ch=channels, num_out_ch=channels, num_feat=16, num_conv=2, upscale=4
    )


def esrgan() -> torch.nn.Module:
    return architecture("ESRGAN", "ESRGAN", in_nc=3, out_nc=3, num_filters=16, num_blocks=1, scale=4)


def swinir() -> torch.nn.Module:
    return architecture(
        "SwinIR", "SwinIR", img_size=16, window_size=8, depths=[2], embed_dim=12, num_heads=[2], mlp_ratio=2.0,
        upscale=2, upsampler="pixelshuffledirect", resi_connection="1conv",
    )  # fmt: skip


def saved(network: torch.nn.Module, path: Path) -> Path:
    state = network.state_dict()
    if path.suffix == ".safetensors":
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, path)
    else:
        torch.save({"params": state}, path)
    return path


def by_spandrel(path: Path, picture: Image) -> Image:
    """What spandrel's own loader and call make of it; the file is the test's own."""
    import spandrel

    descriptor = spandrel.ModelLoader("cpu").load_from_file(path)
    planes = torch.from_numpy(picture.astype(np.float32) / 255.0).permute(2, 0, 1)[None]
    return np.asarray((descriptor(planes)[0].permute(1, 2, 0) * 255.0).round().to(torch.uint8).numpy(), np.uint8)


def picture(height: int, width: int, channels: int = 3) -> Image:
    coarse = np.random.default_rng(5).integers(0, 256, (height // 4 + 1, width // 4 + 1, channels)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize(
    ("make", "suffix", "scale"), [(compact, ".pth", 4), (esrgan, ".safetensors", 4), (swinir, ".pth", 2)]
)
def test_a_checkpoint_is_a_background_by_its_path(
    make: Callable[[], torch.nn.Module], suffix: str, scale: int, tmp_path: Path, store: Store
) -> None:
    path = saved(make(), tmp_path / f"mine{suffix}")
    settings = BackgroundSettings(method=str(path))
    network = load_network(settings, store, CPU)
    background = make_background(settings, scale, network)
    assert isinstance(background, PictureUpscaler)
    # A size that is no multiple of what the network works on.
    seen = picture(*SIZE)
    np.testing.assert_allclose(background.upscale_rgb(seen).astype(int), by_spandrel(path, seen).astype(int), atol=1)
    assert background.info.weights.startswith(f"{path.name}@")
    assert background.info.licence == f"licence of {path.name}: unknown, see its author"
    stated = load_network(replace(settings, licence="CC0"), store, CPU)
    assert stated is not None
    assert stated.info.licence == "CC0"


class Viewing(torch.nn.Module):
    """Takes its picture for one piece of memory, as GFPGAN's architecture does."""

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        return planes.view(-1).view(planes.shape)


def test_networks_get_their_pictures_in_one_piece() -> None:
    seen = picture(*SIZE)
    made = TorchPictures(Viewing(), Told("viewing", 1, "", ""), runtime=CPU).upscale(seen)
    np.testing.assert_array_equal(made, seen)


def test_a_network_for_brightness_takes_luma_alone(tmp_path: Path, store: Store) -> None:
    settings = BackgroundSettings(method=str(saved(compact(channels=1), tmp_path / "grey.pth")))
    background = make_background(settings, 2, load_network(settings, store, CPU))
    assert isinstance(background, PlaneUpscaler)
    luma = picture(*SIZE, channels=1)
    assert background.upscale(luma).shape == (74, 90)
    assert cv2.PSNR(background.upscale(luma), background.lighter().upscale(luma)) > 12.0
    assert background.lighter() is not background


def test_a_checkpoint_is_an_expert_by_its_path(tmp_path: Path, store: Store) -> None:
    path = saved(esrgan(), tmp_path / "face.pth")
    settings = ExpertSettings(transformer=str(path), licence="mine")
    expert = make_expert(settings.transformer, store, CPU, settings)
    assert (expert.info.input_size, expert.info.scale, expert.info.licence) == (128, 4, "mine")
    assert (expert.info.id, expert.info.runtime, expert.info.template) == ("face", "torch", "face")
    crops = np.stack([picture(128, 128), 255 - picture(128, 128)])
    restored = expert.restore(crops)
    for crop, result in zip(crops, restored, strict=True):
        np.testing.assert_allclose(result.astype(int), by_spandrel(path, crop).astype(int), atol=1)
    assert expert.restore(crops[:0]).shape == (0, 512, 512, 3)


class Code:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("true",)


def _cut_off(path: Path) -> None:
    saved(compact(), path)
    path.write_bytes(path.read_bytes()[:2000])


def _with_code(path: Path) -> None:
    torch.save({"params": {"weight": Code()}}, path)


def _of_nothing(path: Path) -> None:
    torch.save({"params": {"weight": torch.zeros(3), "bias": torch.zeros(3)}}, path)


def _with_a_hole(path: Path) -> None:
    state = compact().state_dict()
    torch.save({"params": {key: tensor for key, tensor in state.items() if key != "body.2.weight"}}, path)


def _for_inpainting(path: Path) -> None:
    with torch.device("meta"):
        shapes = {key: tensor.shape for key, tensor in architecture("LaMa", "LaMa").state_dict().items()}
    # One number for each tensor: the file stays small.
    torch.save({key: torch.zeros(()).expand(shape) for key, shape in shapes.items()}, path)


def _of_four_channels(path: Path) -> None:
    saved(compact(channels=4), path)


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (_cut_off, "is cut off or damaged"),
        (_with_code, r"is a pickle with code in it \(.*system\); nothing of it was run"),
        (_of_nothing, "is no network that spandrel knows"),
        (_with_a_hole, "looks like a network that spandrel knows, but does not fit: .*body.2.weight"),
        (_of_four_channels, "takes 4 channels and gives 4"),
        (_for_inpainting, "is a network for inpainting"),
        (lambda path: None, "is not there"),
    ],
)
def test_what_is_no_such_network_is_refused(
    write: Callable[[Path], None], complaint: str, tmp_path: Path, store: Store
) -> None:
    make_importable()
    path = tmp_path / "some.pth"
    write(path)
    with pytest.raises((ExpertError, WeightsError), match=complaint):
        load_network(BackgroundSettings(method=str(path)), store, CPU)


def test_nobody_is_to_install_a_package_for_a_file_that_is_not_there(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(WeightsError, match=r"nofile\.pth is not there"):
        load_network(BackgroundSettings(method=str(tmp_path / "nofile.pth")), store, CPU)


def test_a_grey_network_is_no_expert(tmp_path: Path, store: Store) -> None:
    settings = ExpertSettings(frequency=str(saved(compact(channels=1), tmp_path / "grey.pth")))
    with pytest.raises(ExpertError, match="takes 1 channel, a face has 3: it may be a background"):
        make_expert(settings.frequency, store, CPU, settings)


def test_unknown_words_are_answered_with_what_is_there() -> None:
    with pytest.raises(ExpertError, match=r"or a network's file \(.pth or .safetensors\)"):
        ExpertSettings(transformer="mine.onnx")


def test_a_spandrel_that_does_not_load_is_told_in_a_line(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(compact(), tmp_path / "mine.pth")
    for name in [name for name in sys.modules if name.partition(".")[0] == "spandrel"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "spandrel").mkdir()
    (tmp_path / "spandrel" / "__init__.py").write_text("import of_another_planet\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ExpertError, match=r"spandrel does not load: .*planet.*; pip install .*'facelane\[spandrel\]'"):
        load_network(BackgroundSettings(method=str(path)), store, CPU)
