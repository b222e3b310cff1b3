from __future__ import annotations

import copy
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import save_file

from experts.networks import NETWORKS
from experts.networks.restorer import Restorer
from weights.openvino_session import split_batch
from weights.session import Precision, Runtime, RuntimeSettings, Session, WeightsError, choose_runtime, open_session

SIDE = 16


class Sharpen(torch.nn.Module):
    """Two outputs, pictures and numbers, as an expert and a detector have them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        planes = images.permute(0, 3, 1, 2).to(torch.float32) / 255
        result = (planes + 0.1 * self.body(planes)).clamp(0, 1)
        pictures = (result * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
        return pictures, result.mean(dim=(2, 3))


def seeded() -> Sharpen:
    torch.manual_seed(7)
    return Sharpen()


def some_images(count: int, *, side: int = SIDE) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def opened(
    runtime: Runtime = "openvino",
    precision: Precision = "float32",
    *,
    shape: tuple[int | None, ...] = (None, SIDE, SIDE, 3),
    batches: tuple[int, ...] = (1, 2, 4),
) -> Session:
    settings = RuntimeSettings(device="cpu", runtime=runtime, precision=precision)
    return open_session(seeded(), weights=None, input_shape=shape, settings=settings, batches=batches)


def expected(images: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    with torch.inference_mode():
        pictures, means = seeded()(torch.from_numpy(images))
    return pictures.numpy(), means.numpy()


@pytest.mark.parametrize("runtime", ["openvino", "torch", "onnxruntime"])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_batch_gives_what_the_module_gives(runtime: Runtime, count: int) -> None:
    images = some_images(count)
    pictures, means = opened(runtime).run(images)
    wanted_pictures, wanted_means = expected(images)
    # Sums in another order may round to the neighbouring grey level.
    assert np.abs(pictures.astype(int) - wanted_pictures).max() <= 1
    np.testing.assert_allclose(means, wanted_means, atol=1e-5)
    assert pictures.dtype == np.uint8
    assert means.dtype == np.float32


@pytest.mark.parametrize("runtime", ["openvino", "torch", "onnxruntime"])
def test_the_precision_that_is_taken_by_itself_stays_near_float32(runtime: Runtime) -> None:
    images = some_images(4)
    session = opened(runtime, "auto")
    pictures, means = session.run(images)
    # bfloat16 keeps 8 bits of a value near 1: half of 1/128 of 255 grey levels, once for each of two roundings.
    assert np.abs(pictures.astype(int) - expected(images)[0]).max() <= 2
    assert means.dtype == np.float32
    assert session.taken.precision in ("float32", "bfloat16", "float16")


def test_reduced_precision_on_torch_is_autocasts_own_to_the_last_bit() -> None:
    """Weights are cast once, and not in every call: the same comes out, sums and norms in float32 included."""
    made = Restorer(NETWORKS["transformer"]())
    torch.nn.init.normal_(made.network.leave.weight, std=0.1)
    made.eval().requires_grad_(False)
    side = NETWORKS["transformer"].input_size
    images = some_images(2, side=side)
    settings = RuntimeSettings(device="cpu", runtime="torch")
    session = open_session(copy.deepcopy(made), weights=None, input_shape=(None, side, side, 3), settings=settings)
    dtype = {"bfloat16": torch.bfloat16, "float32": torch.float32}[session.taken.precision]
    with torch.inference_mode(), torch.autocast("cpu", dtype=dtype, enabled=dtype is torch.bfloat16):
        wanted = made.to(memory_format=torch.channels_last)(torch.from_numpy(images))  # type: ignore[call-overload]
    assert wanted[0].float().std() > 10
    for one, two in zip(session.run(images), wanted, strict=True):
        np.testing.assert_array_equal(one, two.float().numpy() if two.is_floating_point() else two.numpy())


def test_a_rest_is_padded_and_the_padding_never_seen() -> None:
    images = some_images(6)
    pictures, means = opened(batches=(4,)).run(images)
    assert pictures.shape == images.shape
    assert np.abs(pictures.astype(int) - expected(images)[0]).max() <= 1
    assert means.shape == (6, 3)


def test_no_faces_are_no_work() -> None:
    pictures, means = opened().run(some_images(0))
    assert pictures.shape == (0, SIDE, SIDE, 3)
    assert means.shape == (0, 3)


def test_a_network_of_open_extents_takes_pictures_of_every_size() -> None:
    session = opened(shape=(1, None, None, 3))
    for side in (16, 40, 16):
        images = some_images(1, side=side)
        assert np.abs(session.run(images)[0].astype(int) - expected(images)[0]).max() <= 1


@pytest.mark.parametrize("runtime", ["openvino", "torch", "onnxruntime"])
def test_outputs_belong_to_the_caller(runtime: Runtime) -> None:
    session = opened(runtime)
    first = session.run(some_images(1))[0]
    kept = first.copy()
    session.run(255 - some_images(1))
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("runtime", ["openvino", "torch", "onnxruntime"])
def test_pictures_that_cannot_be_written_to_or_lie_in_pieces_are_taken(runtime: Runtime) -> None:
    images = some_images(2)
    session = opened(runtime)
    wanted = session.run(images)[0]
    frozen = images.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(session.run(frozen)[0], wanted)
    np.testing.assert_array_equal(session.run(np.asfortranarray(images))[0], wanted)


def test_threads_share_a_session() -> None:
    session = opened()
    batches = [some_images(count) for count in (1, 2, 3, 4, 5, 6)] * 4
    wanted = [session.run(images)[0] for images in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda images: session.run(images)[0], batches))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("runtime", ["openvino", "torch", "onnxruntime"])
@pytest.mark.parametrize(
    "array",
    [np.zeros((1, SIDE, SIDE, 3), np.float32), np.zeros((1, SIDE, SIDE + 2, 3), np.uint8), np.zeros(3, np.uint8)],
)
def test_a_wrong_input_is_refused(runtime: Runtime, array: npt.NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="input is"):
        opened(runtime).run(array)


@pytest.mark.parametrize(
    ("count", "sizes", "parts"),
    [(7, (4, 2, 1), [4, 2, 1]), (0, (4,), []), (5, (4,), [4, 4]), (9, (4, 1), [4, 4, 1]), (1, (64, 16, 4), [4])],
)
def test_batches_are_cut_from_the_largest(count: int, sizes: tuple[int, ...], parts: list[int]) -> None:
    assert list(islice(split_batch(count, sizes), 10)) == parts


def test_a_session_says_what_it_took() -> None:
    taken = opened("openvino", "float32").taken
    assert (taken.device, taken.runtime, taken.precision) == ("cpu", "openvino", "float32")
    taken = opened("torch", "float32").taken
    assert (taken.device, taken.runtime, taken.precision) == ("cpu", "torch", "float32")


def test_left_alone_the_fastest_runtime_is_taken() -> None:
    assert choose_runtime(RuntimeSettings()) == ("torch" if torch.cuda.is_available() else "openvino")
    assert choose_runtime(RuntimeSettings(device="cpu")) == "openvino"


@pytest.mark.parametrize("runtime", ["auto", "openvino", "torch", "onnxruntime"])
def test_float16_is_refused_on_the_processor(runtime: Runtime) -> None:
    with pytest.raises(WeightsError, match='set precision to "auto"'):
        opened(runtime, "float16")


def asked(runtime: Runtime) -> RuntimeSettings:
    return RuntimeSettings(device="cuda", runtime=runtime)


def test_what_cannot_be_had_is_refused_and_never_replaced() -> None:
    if torch.cuda.is_available():
        with pytest.raises(WeightsError, match="OpenVINO runs on the CPU"):
            choose_runtime(RuntimeSettings(device="cuda", runtime="openvino"))
        return
    runtimes: tuple[Runtime, ...] = ("auto", "openvino", "torch", "onnxruntime")
    for runtime in runtimes:
        with pytest.raises(WeightsError, match=r'set (\[runtime\] )?device to "cpu"'):
            open_session(seeded(), weights=None, input_shape=(None, SIDE, SIDE, 3), settings=asked(runtime))


@pytest.mark.parametrize("wrong", [{"device": "gpu"}, {"runtime": "coreml"}, {"precision": "int8"}, {"threads": -1}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is"):
        RuntimeSettings(**wrong)


def saved(tmp_path: Path, **changes: torch.Tensor | None) -> Path:
    state = {**seeded().state_dict(), **changes}
    path = tmp_path / "weights.safetensors"
    save_file({key: value for key, value in state.items() if value is not None}, path)
    return path


def test_weights_are_loaded(tmp_path: Path) -> None:
    module = Sharpen()
    settings = RuntimeSettings(device="cpu", precision="float32")
    session = open_session(module, weights=saved(tmp_path), input_shape=(None, SIDE, SIDE, 3), settings=settings)
    images = some_images(2)
    np.testing.assert_allclose(session.run(images)[1], expected(images)[1], atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"body.bias": None}, "lacks 'body.bias'"),
        ({"head.bias": torch.zeros(3)}, "holds 'head.bias'"),
        ({"body.bias": torch.zeros(4)}, r"'body.bias' has the shape \(4,\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    tmp_path: Path, changes: dict[str, torch.Tensor | None], said: str
) -> None:
    module = Sharpen()
    before = module.body.weight.clone()
    path = saved(tmp_path, **changes)
    with pytest.raises(WeightsError, match=said) as caught:
        open_session(module, weights=path, input_shape=(None, SIDE, SIDE, 3), settings=RuntimeSettings(device="cpu"))
    assert str(path) in str(caught.value)
    assert torch.equal(module.body.weight, before)


def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"not weights at all")
    with pytest.raises(WeightsError, match=r"not a readable safetensors file"):
        open_session(Sharpen(), weights=path, input_shape=(None, SIDE, SIDE, 3), settings=RuntimeSettings())


LISTEN = """
    import sys
    calls = []
    watched = ("socket.connect", "socket.getaddrinfo", "os.fork")
    sys.addaudithook(lambda event, args: calls.append(event) if event in watched else None)
    import torch
    from weights.session import RuntimeSettings, open_session
    layer = torch.nn.Conv2d(3, 3, 1)
    open_session(layer, weights=None, input_shape=(1, 3, 8, 8), settings=RuntimeSettings(device="cpu"), dtype="float32")
    sys.exit(f"it tried to reach out: {calls}" if calls else 0)
"""


def test_a_session_tells_nobody_and_leaves_nothing(tmp_path: Path) -> None:
    """OpenVINO's own converter reports each use to its makers and writes to the home folder; ours must not."""
    root = Path(__file__).parents[2]
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LISTEN)], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert list(tmp_path.iterdir()) == []
