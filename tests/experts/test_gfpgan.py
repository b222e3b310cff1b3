"""GFPGAN beside its own package with the same weights, what it says of files that don't fit, and its packages."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from experts import gfpgan, gfpgan_networks
from experts.catalog import ExpertSettings, check_packages, weights_of
from experts.compat import import_gan
from experts.contract import ExpertError, Image
from experts.gfpgan import GfpganExpert, GfpganSettings
from experts.gfpgan_networks import OFFICIAL, Version
from tests.helpers.gfpgan import save_checkpoint, small_network
from tests.helpers.torchvision_here import make_importable
from weights.errors import WeightsError
from weights.manifest import Entry, HttpsFile
from weights.session import RuntimeSettings
from weights.store import Store, StoreSettings, sha256_of

# One thread: two wait for each other at every step where the processor has other work, too.
CPU = RuntimeSettings(device="cpu", threads=1)
ROOT = Path(__file__).parents[2]
VERSIONS: tuple[Version, ...] = ("1", "1.4")


@pytest.fixture(scope="module")
def networks() -> Mapping[Version, nn.Module]:
    return {version: small_network(version) for version in VERSIONS}


@pytest.fixture(scope="module")
def files(networks: Mapping[Version, nn.Module], tmp_path_factory: pytest.TempPathFactory) -> Mapping[Version, Path]:
    folder = tmp_path_factory.mktemp("gfpgan")
    return {version: save_checkpoint(networks[version], folder / f"v{version}.pth") for version in VERSIONS}


def made(path: Path, version: Version = "1.4", *, weight: float = 0.0) -> GfpganExpert:
    return gfpgan.make(Store(), CPU, GfpganSettings(version=version, file=path, weight=weight))


def crops(count: int, side: int = 64) -> Image:
    return np.random.default_rng(4).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def by_package(network: nn.Module, low: Image) -> Image:
    """As `GFPGANer.enhance` computes, with its own functions, a face at a time; but for the noise that it draws."""
    image = import_gan("basicsr.utils.img_util")
    restored = []
    for crop in low:
        face = image.img2tensor(crop[..., ::-1] / 255.0, bgr2rgb=True, float32=True)
        face = ((face - 0.5) / 0.5).unsqueeze(0)
        with torch.no_grad():
            output = network(face, return_rgb=False, weight=0.5, randomize_noise=False)[0]
        restored.append(image.tensor2img(output.squeeze(0), rgb2bgr=True, min_max=(-1, 1))[..., ::-1])
    return np.stack(restored).astype(np.uint8)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_result_is_the_packages_own(
    version: Version, networks: Mapping[Version, nn.Module], files: Mapping[Version, Path]
) -> None:
    expert, low = made(files[version], version), crops(2)
    restored = expert.restore(low)
    own = by_package(networks[version], low)
    assert own.std() > 20.0
    # Sums in another order may round to the neighbouring level.
    assert np.abs(restored.astype(int) - own).max() <= 1
    # Noise is the weights', not drawn: the same face comes out the same.
    assert np.array_equal(expert.restore(low[1:]), restored[1:])
    assert np.array_equal(expert.begin(low)(), restored)
    assert expert.restore(low[:0]).shape == (0, 64, 64, 3)
    info = expert.info
    assert (info.id, info.input_size, info.scale, info.template) == ("gfpgan", 64, 1, "ffhq")
    assert (info.device, info.runtime, info.precision) == ("cpu", "torch", "float32")
    assert info.weights == f"v{version}.pth@{sha256_of(files[version])[:12]}"


def test_weight_mixes_the_sources_face_in(files: Mapping[Version, Path]) -> None:
    low = crops(1)
    whole, mixed = made(files["1.4"]).restore(low).astype(float), made(files["1.4"], weight=0.25)
    assert np.abs(mixed.restore(low) - (0.75 * whole + 0.25 * low)).max() <= 1.0
    assert mixed.info.weights.endswith(", weight 0.25")


def test_half_precision_on_request_is_near(files: Mapping[Version, Path]) -> None:
    settings = GfpganSettings(file=files["1.4"])
    half = gfpgan.make(Store(), RuntimeSettings(device="cpu", precision="bfloat16", threads=1), settings)
    assert half.info.precision == "bfloat16"
    apart = np.abs(half.restore(crops(1)).astype(float) - made(files["1.4"]).restore(crops(1)))
    assert apart.mean() < 1.5


def test_official_files_are_found_by_the_store_and_loaded_whole(tmp_path: Path) -> None:
    """A file with all keys and shapes of the project's, but each tensor one number that is repeated."""
    make_importable()
    with torch.device("meta"):
        shapes = gfpgan_networks.build_network("1.3", OFFICIAL["1.3"]).state_dict()
    made_up = tmp_path / "GFPGANv1.3.pth"
    numbers = {key: torch.full((1,), 0.01).expand(tensor.shape) for key, tensor in shapes.items()}
    torch.save({"params_ema": numbers}, made_up)
    entry = Entry(
        "gfpgan-1.3", "test", "Apache-2.0 code", "test", sha256_of(made_up), made_up.stat().st_size,
        (HttpsFile("https://weights.test/GFPGANv1.3.pth"),),
    )  # fmt: skip
    (tmp_path / entry.file_name).symlink_to(made_up)
    settings = GfpganSettings(version="1.3")
    assert weights_of(ExpertSettings(every="gfpgan", gfpgan=settings)) == ("gfpgan-1.3",)
    store = Store(StoreSettings(tmp_path, offline=True), manifest={"gfpgan-1.3": entry})
    info = gfpgan.make(store, CPU, settings).info
    assert (info.weights, info.input_size, info.licence) == (entry.digest, 512, "Apache-2.0 code")


class Code:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("this ran",))


def test_files_that_do_not_fit_are_named(
    files: Mapping[Version, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {name: tmp_path / f"{name}.pth" for name in ("another", "short", "empty", "code", "absent")}
    torch.save({"params": nn.Conv2d(3, 3, 3).state_dict()}, wrong["another"])
    wrong["short"].write_bytes(files["1.4"].read_bytes()[:-1000])
    wrong["empty"].touch()
    wrong["code"].write_bytes(pickle.dumps(Code(), protocol=2))
    said = {"another": "lacks", "short": "damaged", "empty": "empty", "code": "code in it", "absent": "not there"}
    for name, path in wrong.items():
        with pytest.raises(WeightsError, match=f"{path}.*{said[name]}"):
            made(path)
    with pytest.raises(WeightsError, match=r"v1\.pth lacks .* another architecture or version"):
        made(files["1"], "1.4")
    with pytest.raises(WeightsError, match=r"v1\.4\.pth lacks .* another architecture or version"):
        made(files["1.4"], "1")
    assert "this ran" not in capsys.readouterr().out


class Failing(nn.Module):
    """Fails as told, in the place of a network."""

    def __init__(self, failure: Exception | float) -> None:
        super().__init__()
        self._failure = failure

    def forward(self, faces: Tensor, **_options: bool) -> tuple[Tensor, list[Tensor]]:
        if isinstance(self._failure, Exception):
            raise self._failure
        return torch.full_like(faces, self._failure), []


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
            "gfpgan failed: cpu has not memory",
        ),
        (MemoryError("none left"), "gfpgan failed: cpu has not memory"),
        (RuntimeError("the worst\nof all"), "gfpgan failed: the worst$"),
        (float("nan"), "not finite"),
    ],
)
def test_what_fails_is_told_and_not_shown(failure: Exception | float, said: str) -> None:
    expert = GfpganExpert(Failing(failure), 64, label="some", licence="some", runtime=CPU)
    with pytest.raises(ExpertError, match=said):
        expert.restore(crops(1))


def test_settings_refuse_what_cannot_be() -> None:
    with pytest.raises(ExpertError, match=r"one of 1, 1\.2, 1\.3, 1\.4, not '2'"):
        GfpganSettings(version="2")  # type: ignore[arg-type]  # that is the point
    for weight in (-0.1, 1.0, float("nan")):
        with pytest.raises(ExpertError, match="weight lies from 0"):
            GfpganSettings(weight=weight)
    with pytest.raises(ExpertError, match="runs on torch alone"):
        gfpgan.make(Store(), RuntimeSettings(runtime="openvino"), GfpganSettings())


def test_the_operators_are_what_basicsr_compiles() -> None:
    """StyleGAN2's, by their definitions; and on CUDA's way what basicsr itself computes on the CPU."""
    gfpgan_networks.import_package("1")
    fused = import_gan("basicsr.ops.fused_act.fused_act")
    sampling = import_gan("basicsr.ops.upfirdn2d.upfirdn2d")
    generator = torch.Generator().manual_seed(1)
    for shape in ((2, 5, 6, 7), (3, 5)):
        images, bias = torch.randn(shape, generator=generator), torch.randn(5, generator=generator)
        summed = images + (bias[:, None, None] if len(shape) == 4 else bias)
        expected = torch.where(summed > 0, summed, 0.2 * summed) * 2**0.5
        assert torch.allclose(fused.fused_leaky_relu(images, bias), expected, atol=1e-6)
    images, kernel = torch.randn(2, 3, 8, 9, generator=generator), torch.rand(4, 4, generator=generator)
    for up, down, pad in ((2, 1, (2, 1)), (1, 2, (1, 1)), (1, 1, (0, 3))):
        there = sampling.UpFirDn2d.apply(images, kernel, (up, up), (down, down), (*pad, *pad))
        assert torch.equal(there, sampling.upfirdn2d(images, kernel, up, down, pad))


def test_what_basicsr_misses_of_torchvision_is_there() -> None:
    make_importable()
    import_gan("gfpgan.archs.gfpganv1_clean_arch")
    degradations = import_gan("basicsr.data.degradations")
    grey = degradations.rgb_to_grayscale(torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1))
    assert float(grey) == pytest.approx(0.299, abs=1e-3)


def test_a_missing_extra_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "experts.compat.importlib.util",
        SimpleNamespace(find_spec=lambda name: None if name == "gfpgan" else find(name)),
    )
    with pytest.raises(ExpertError, match=r"gfpgan is not installed; pip install -c constraints.txt 'facelane\[gan\]'"):
        check_packages(ExpertSettings(transformer="gfpgan"))
    check_packages(ExpertSettings())


def test_a_torchvision_of_another_torch_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision/__init__.py").write_text('raise RuntimeError("operator torchvision::nms does not exist")')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    with pytest.raises(ExpertError, match=r"torchvision .* beside torch .*nms does not exist; install the torchvision"):
        import_gan("gfpgan.archs.gfpganv1_clean_arch")


def test_heavy_packages_are_imported_only_for_those_who_ask() -> None:
    heavy = {"gfpgan", "basicsr", "facexlib", "torchvision"}
    code = f"import sys, streamer.commands, streamer.app; print({heavy!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"
