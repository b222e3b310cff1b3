"""Real-ESRGAN's networks for the background, beside the package's own program with the same weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from experts import realesrgan
from experts.background import BackgroundSettings, PictureUpscaler, load_network, make_background, weights_of
from experts.compat import import_gan
from experts.contract import ExpertError, Image
from experts.pictures import PictureNetwork, Rescaled, Told, TorchPictures
from experts.realesrgan import MODELS, choose_engine
from tests.helpers.torchvision_here import make_importable
from weights import session
from weights.errors import WeightsError
from weights.manifest import Entry, HttpsFile
from weights.session import RuntimeSettings
from weights.store import Store, StoreSettings, sha256_of
from weights.torch_cuda import NONE

CPU = RuntimeSettings(device="cpu", precision="float32")
GENERAL, WEAKER = "realesr-general-x4v3", "realesr-general-wdn-x4v3"
SMALL = {name: replace(model, body=2) for name, model in MODELS.items()}


@pytest.fixture(scope="module", autouse=True)
def _few_blocks() -> Iterator[None]:
    """The same networks with fewer blocks of the same kind: the real ones take minutes of a busy machine."""
    make_importable()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(realesrgan, "MODELS", SMALL)
        yield


def made(name: str, seed: int) -> torch.nn.Module:
    """The package's own class as its program builds it, with random weights whose results are neither flat nor cut."""
    torch.manual_seed(seed)
    model = SMALL.get(name, SMALL[GENERAL])
    if model.architecture == "RRDBNet":
        network = import_gan("basicsr.archs.rrdbnet_arch").RRDBNet(3, 3, scale=model.scale, num_block=model.body)
        with torch.no_grad():
            network.conv_last.weight *= 3.0
            network.conv_last.bias.fill_(0.5)
    else:
        network = import_gan("realesrgan.archs.srvgg_arch").SRVGGNetCompact(
            num_conv=model.body, upscale=model.scale, act_type="prelu"
        )
    assert isinstance(network, torch.nn.Module)
    return network


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Checkpoints in the projects' layout, by their ids in the manifest."""
    folder = tmp_path_factory.mktemp("realesrgan")
    paths = {name: folder / f"{name}.pth" for name in (*MODELS, WEAKER)}
    for seed, (name, path) in enumerate(paths.items()):
        key = "params_ema" if name.startswith("realesrgan-") else "params"
        torch.save({key: made(name, seed).state_dict()}, path)
    return paths


def store_of(files: Mapping[str, Path], folder: Path) -> Store:
    """A store whose folder holds those files."""
    entries = {}
    for name, path in files.items():
        source = HttpsFile(f"https://weights.test/{path.name}")
        entry = Entry(name, "test", "BSD-3-Clause", "test", sha256_of(path), path.stat().st_size, (source,))
        (folder / entry.file_name).symlink_to(path)
        entries[name] = entry
    return Store(StoreSettings(folder, offline=True), manifest=entries)


@pytest.fixture(scope="module")
def ready(files: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Store:
    return store_of(files, tmp_path_factory.mktemp("store"))


def by_package(name: str, paths: list[Path], picture: Image, *, denoise: float = 1.0, tile: int = 0) -> Image:
    """What the package's own program makes of an RGB picture."""
    model = SMALL[name]
    program: Any = import_gan("realesrgan").RealESRGANer(
        scale=model.scale,
        model_path=[str(path) for path in paths] if len(paths) == 2 else str(paths[0]),
        dni_weight=[denoise, 1.0 - denoise] if len(paths) == 2 else None,
        model=made(name, 99),
        tile=tile,
        pre_pad=0,
        device=torch.device("cpu"),
    )
    return np.asarray(program.enhance(np.ascontiguousarray(picture[..., ::-1]))[0][..., ::-1], np.uint8)


def loaded(settings: BackgroundSettings, store: Store) -> PictureNetwork:
    network = load_network(settings, store, CPU)
    assert isinstance(network, TorchPictures)
    return network


def picture(height: int, width: int) -> Image:
    """Colours that change over some pixels."""
    coarse = np.random.default_rng(5).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def assert_alike(one: Image, other: Image, *, levels: int) -> None:
    assert one.shape == other.shape
    assert min(one.std(), other.std()) > 10.0
    assert np.abs(one.astype(int) - other).max() <= levels


@pytest.mark.parametrize("name", ["realesrgan-x4plus", "realesrgan-x2plus", GENERAL])
def test_the_real_ones_are_as_large_as_the_projects_files(name: str) -> None:
    with torch.device("meta"):
        tensors = realesrgan.build(MODELS[name]).state_dict().values()
    rest = (Store().entry(name).size or 0) - 4 * sum(tensor.numel() for tensor in tensors)
    # What torch.save writes about each tensor.
    assert 100 < rest / len(tensors) < 500


@pytest.mark.parametrize(
    ("name", "denoise", "of"),
    [
        ("realesrgan-x4plus", 0.5, ("realesrgan-x4plus",)),
        ("realesrgan-x2plus", 0.5, ("realesrgan-x2plus",)),
        (GENERAL, 1.0, (GENERAL,)),
        (GENERAL, 0.0, (WEAKER,)),
        (GENERAL, 0.3, (GENERAL, WEAKER)),
        ("realesr-animevideov3", 0.5, ("realesr-animevideov3",)),
    ],
)
def test_each_network_makes_what_the_packages_own_program_makes(
    name: str, denoise: float, of: tuple[str, ...], files: Mapping[str, Path], ready: Store
) -> None:
    settings = BackgroundSettings(method=name, engine="torch", denoise=denoise)
    assert weights_of(settings, ready, CPU) == of
    network, seen = loaded(settings, ready), picture(23, 21)
    # The same sums in another order: half a level may be rounded up or down.
    assert_alike(network.upscale(seen), by_package(name, [files[id] for id in of], seen, denoise=denoise), levels=1)
    info = network.info
    assert (info.id, info.runtime, info.precision, info.licence) == (name, "torch", "float32", "BSD-3-Clause")
    assert all(ready.entry(id).digest in info.weights for id in of)


def test_in_tiles_it_is_the_same_picture(files: Mapping[str, Path], ready: Store) -> None:
    settings = BackgroundSettings(method=GENERAL, engine="torch", denoise=1.0, tile=48, overlap=20)
    network, seen = loaded(settings, ready), picture(70, 91)
    whole = network.upscale(seen)
    background = make_background(settings, 4, network)
    assert isinstance(background, PictureUpscaler)
    assert_alike(background.upscale_rgb(seen), whole, levels=2)
    assert_alike(background.upscale_rgb(seen), by_package(GENERAL, [files[GENERAL]], seen, tile=48), levels=2)


def test_a_network_for_four_times_comes_down_to_the_scale_that_is_wanted(ready: Store) -> None:
    settings = BackgroundSettings(method="realesr-animevideov3", engine="torch")
    network, seen = loaded(settings, ready), picture(20, 31)
    four = network.upscale(seen)
    for scale in (1, 2, 4):
        background = make_background(settings, scale, network)
        assert isinstance(background, PictureUpscaler)
        wanted = cv2.resize(four, (31 * scale, 20 * scale), interpolation=cv2.INTER_AREA)
        assert_alike(background.upscale_rgb(seen), np.asarray(wanted, np.uint8), levels=0)
    twice = Rescaled(Rescaled(network, 2), 4).upscale(seen)
    assert cv2.PSNR(twice, four) > 20.0


def test_a_file_of_another_network_is_refused_by_its_first_key(files: Mapping[str, Path], tmp_path: Path) -> None:
    swapped = store_of({"realesrgan-x4plus": files["realesrgan-x2plus"], GENERAL: files["realesrgan-x4plus"]}, tmp_path)
    with pytest.raises(WeightsError, match=r"'conv_first.weight' has the shape \(64, 12, 3, 3\).* of another arch"):
        loaded(BackgroundSettings(method="realesrgan-x4plus", engine="torch"), swapped)
    with pytest.raises(WeightsError, match=r"lacks 'body.0.weight'.* of another architecture or version"):
        loaded(BackgroundSettings(method=GENERAL, engine="torch", denoise=1.0), swapped)


def _refused(*_: object) -> None:
    raise ExpertError("basicsr is not installed")


def test_auto_takes_torch_if_its_weights_are_here_and_its_packages_load(
    ready: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name, auto, empty = "realesrgan-x4plus", RuntimeSettings(), Store(StoreSettings(tmp_path, offline=True))
    monkeypatch.setattr(session, "cuda_fault", lambda: NONE)
    assert choose_engine(name, "auto", empty, auto, denoise=1.0) == "ncnn"
    assert choose_engine(name, "auto", ready, auto, denoise=1.0) == "torch"
    with monkeypatch.context() as patch:
        patch.setattr(realesrgan, "check_packages", _refused)
        assert choose_engine(name, "auto", ready, auto, denoise=1.0) == "ncnn"
    assert choose_engine("realesrgan-x2plus", "auto", empty, auto, denoise=1.0) == "torch"
    monkeypatch.setattr(session, "cuda_fault", lambda: "")
    assert choose_engine(name, "auto", ready, auto, denoise=1.0) == "torch"
    # What is asked for is never replaced: its weights will be asked for.
    assert choose_engine(name, "auto", empty, replace(auto, device="cuda"), denoise=1.0) == "torch"
    assert choose_engine(name, "auto", ready, replace(auto, device="cpu"), denoise=1.0) == "torch"
    assert not caplog.records
    assert choose_engine(name, "auto", empty, auto, denoise=1.0) == "ncnn"
    assert "realesrgan-x4plus runs by ncnn on the CPU: its weights for the GPU" in caplog.text
    assert weights_of(BackgroundSettings(method=name), empty, auto) == (f"{name}-param", f"{name}-bin")


def test_a_way_that_a_model_does_not_have_is_refused(ready: Store) -> None:
    with pytest.raises(ExpertError, match=r"realesrgan-x2plus has no files for ncnn; set .* engine to"):
        load_network(BackgroundSettings(method="realesrgan-x2plus", engine="ncnn"), ready, CPU)
    with pytest.raises(ExpertError, match=r"denoise lies between 0 \(keeps noise\) and 1, not 1.5"):
        BackgroundSettings(denoise=1.5)


class Greedy(torch.nn.Module):
    """Asks for more memory than there is."""

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return picture.new_empty(1 << 50)


class Nowhere(torch.nn.Module):
    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return picture / 0.0 - picture / 0.0


def test_want_of_memory_and_results_that_are_no_numbers_are_told() -> None:
    told, seen = Told("net", 1, "w", "none"), picture(8, 8)
    with pytest.raises(MemoryError):
        TorchPictures(Greedy(), told, runtime=CPU).upscale(seen)
    with pytest.raises(ExpertError, match="net gave numbers that are not finite"):
        TorchPictures(Nowhere(), told, runtime=CPU).upscale(seen)
