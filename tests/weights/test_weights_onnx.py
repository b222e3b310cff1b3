"""What ONNX Runtime is given, what it is asked afterwards, and what is said where it can't."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from experts.networks import FrequencyNetwork, TransformerNetwork
from experts.networks.background import BackgroundCorrection
from experts.networks.restorer import Restorer
from routing.networks import ONet, PNet, RNet
from tests.weights.test_weights_session import SIDE, expected, seeded, some_images
from weights import onnx_providers
from weights.onnx_export import INPUT, export
from weights.onnx_providers import PROVIDERS, Target, check_placed, check_taken, choose_target, providers_for
from weights.onnx_session import OnnxSession
from weights.runtime import Array
from weights.session import Device, OutOfMemoryError, RuntimeSettings, WeightsError, open_session

SHAPE = (None, SIDE, SIDE, 3)
SMALL_TRANSFORMER = TransformerNetwork(channels=16, deep_channels=16, attention_blocks=1, dense_blocks=1)
SMALL_FREQUENCY = FrequencyNetwork(channels=16, blocks=1)
ONNX = RuntimeSettings(device="cpu", runtime="onnxruntime")
GPU_BUILD = [PROVIDERS["tensorrt"], PROVIDERS["cuda"], PROVIDERS["cpu"]]


def run(model: bytes, array: Array) -> list[Array]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return [np.asarray(output) for output in session.run(None, {INPUT: array})]


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (
            Restorer(TransformerNetwork(channels=16, deep_channels=16, attention_blocks=1, dense_blocks=1)),
            (None, 192, 192, 3),
        ),
        (
            Restorer(FrequencyNetwork(channels=16, blocks=1)),
            (None, FrequencyNetwork.input_size, FrequencyNetwork.input_size, 3),
        ),
        (BackgroundCorrection(), (1, None, None)),
        (PNet(), (1, None, None, 3)),
        (RNet(), (None, 24, 24, 3)),
        (ONet(), (None, 48, 48, 3)),
    ],
    ids=["transformer", "frequency", "background", "pnet", "rnet", "onet"],
)
def test_every_network_comes_out_of_onnx_runtime_as_out_of_torch(
    module: torch.nn.Module, shape: tuple[int | None, ...]
) -> None:
    """The real architectures, and sizes that were not those of tracing."""
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.any():  # what begins at nothing would hide the rest
                parameter.normal_(std=0.02)
    settings = RuntimeSettings(device="cpu", runtime="torch", precision="float32")
    torch_session = open_session(module, weights=None, input_shape=shape, settings=settings)
    session = OnnxSession(module, input_shape=shape, settings=ONNX, dtype=np.uint8)
    for count in (1, 3):
        extents = [count if extent is None else extent for extent in shape[:1]]
        extents += [40 + 16 * count if extent is None else extent for extent in shape[1:]]
        batch = np.random.default_rng(count).integers(0, 256, extents, dtype=np.uint8)
        for mine, wanted in zip(session.run(batch), torch_session.run(batch), strict=True):
            assert (mine.dtype, mine.shape) == (wanted.dtype, wanted.shape)
            # Sums in another order may round to the neighbouring grey level.
            level = 1.0 if mine.dtype == np.uint8 else 1e-4
            assert np.abs(mine.astype(float) - wanted).max() <= level


def test_the_same_module_gives_the_same_bytes_and_other_weights_give_others() -> None:
    first, second = (export(seeded(), SHAPE, dtype=np.uint8) for _ in range(2))
    assert first == second
    other = seeded()
    with torch.no_grad():
        other.body.weight += 0.1
    assert export(other, SHAPE, dtype=np.uint8) != first


def test_half_precision_is_in_the_sums_alone() -> None:
    """As it is exported for CUDA; on the CPU ONNX Runtime computes such a model, too, which shows that it is sound."""
    images = some_images(5)
    model = export(seeded(), SHAPE, dtype=np.uint8, half=True)
    casts = [node.attribute[0].i for node in onnx.load_from_string(model).graph.node if node.op_type == "Cast"]
    assert onnx.TensorProto.FLOAT16 in casts
    pictures, means = run(model, images)
    assert [output.dtype.name for output in (pictures, means)] == ["uint8", "float32"]
    assert np.abs(pictures.astype(int) - expected(images)[0]).max() <= 1
    np.testing.assert_allclose(means, expected(images)[1], atol=1e-3)


def test_fed_with_floats_as_by_tensorrt_a_model_gives_the_same() -> None:
    images = some_images(3)
    pictures, _ = run(export(seeded(), SHAPE, dtype=np.float32), images.astype(np.float32))
    assert np.abs(pictures.astype(int) - expected(images)[0]).max() <= 1


class Selfish(torch.nn.Module):
    """Sorts complex numbers, which ONNX can't."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        transformed: torch.Tensor = torch.fft.fft(images.float()).real
        return transformed


class Greedy(torch.nn.Module):
    """Asks for more memory than there is, for pictures that are not black."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        count = (images.float().amax() * 2.0**40).long() + 1
        return images.new_zeros(1, dtype=torch.float32).expand([count]) + 1.0  # type: ignore[list-item]  # traced


def test_what_has_no_words_in_onnx_is_told() -> None:
    with pytest.raises(WeightsError, match=r"can't be put into ONNX \(.*\); set runtime to \"auto\""):
        OnnxSession(Selfish(), input_shape=SHAPE, settings=ONNX, dtype=np.uint8)


def test_want_of_memory_is_told_as_such() -> None:
    session = OnnxSession(Greedy(), input_shape=SHAPE, settings=ONNX, dtype=np.uint8)
    session.run(np.zeros((1, SIDE, SIDE, 3), np.uint8))
    with pytest.raises(OutOfMemoryError, match=r"cpu has not memory enough .*; free some"):
        session.run(some_images(1))


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("onnx", "onnxruntime"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(WeightsError, match=rf"{package} is not installed; pip install .*'facelane\[onnx\]'"):
                OnnxSession(seeded(), input_shape=SHAPE, settings=ONNX, dtype=np.uint8)


@pytest.mark.parametrize(
    ("known", "card", "settings", "said"),
    [
        (GPU_BUILD[2:], True, RuntimeSettings("cuda", "onnxruntime"), "knows no CUDA; install onnxruntime-gpu in the"),
        (GPU_BUILD, False, RuntimeSettings("cuda", "onnxruntime"), "no NVIDIA driver with a card is here"),
        (GPU_BUILD, True, RuntimeSettings("cuda", "onnxruntime", "bfloat16"), 'to "auto" or "float32" or "float16"'),
        (GPU_BUILD[1:], True, RuntimeSettings("auto", "tensorrt"), "knows no TensorRT; install onnxruntime-gpu"),
        (GPU_BUILD, False, RuntimeSettings("auto", "tensorrt"), "TensorRT wants an NVIDIA driver with a card"),
        (GPU_BUILD, True, RuntimeSettings("cpu", "tensorrt"), 'TensorRT runs on CUDA alone; set device to "auto"'),
        (GPU_BUILD, True, RuntimeSettings("auto", "tensorrt", "bfloat16"), "TensorRT computes in float32 or float16"),
        (GPU_BUILD, False, RuntimeSettings("auto", "onnxruntime", "float16"), "on the CPU computes in float32 here"),
    ],
)
def test_what_is_not_there_is_told_before_anything_is_exported(
    monkeypatch: pytest.MonkeyPatch, known: list[str], card: bool, settings: RuntimeSettings, said: str
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: known)
    monkeypatch.setattr(onnx_providers, "has_card", lambda: card)
    with pytest.raises(WeightsError, match=said):
        choose_target(settings)


def test_the_card_is_taken_where_it_is_there_and_the_package_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: GPU_BUILD)
    for card, wanted in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(onnx_providers, "has_card", lambda card=card: card)
        assert choose_target(RuntimeSettings(runtime="onnxruntime")) == wanted
        assert choose_target(ONNX) == "cpu"


@pytest.mark.parametrize(("device", "card", "times"), [("auto", True, 1), ("auto", False, 0), ("cpu", True, 0)])
def test_cuda_is_loaded_from_where_pip_puts_it_before_the_package_is_asked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, device: Device, card: bool, times: int
) -> None:
    calls: list[str] = []

    def preload() -> None:
        calls.append("loaded")
        print("Failed to load libcublas")

    def known() -> list[str]:
        calls.append("asked")
        return GPU_BUILD

    onnx_providers.load_cuda.cache_clear()
    monkeypatch.setattr(onnxruntime, "preload_dlls", preload)
    monkeypatch.setattr(onnxruntime, "get_available_providers", known)
    monkeypatch.setattr(onnx_providers, "has_card", lambda: card)
    for _ in range(2):
        choose_target(RuntimeSettings(device=device, runtime="onnxruntime"))
    assert calls == ["loaded"] * times + ["asked"] * 2
    assert caplog.messages == ["ONNX Runtime: Failed to load libcublas"] * times
    onnx_providers.load_cuda.cache_clear()


@pytest.mark.parametrize("target", ["cuda", "tensorrt"])
def test_a_session_that_fell_back_to_the_processor_is_refused(target: Target) -> None:
    """A real one, which is on the CPU."""
    model = export(seeded(), SHAPE, dtype=np.uint8)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    with pytest.raises(
        WeightsError, match=r"(can't use CUDA|TensorRT does not take this network) \(its log says why\); "
    ):
        check_taken(session, target)


@pytest.mark.parametrize(
    ("target", "placed", "said"),
    [
        ("cuda", {("cuda", "Conv"), ("cpu", "Shape")}, None),
        ("cuda", {("cuda", "Conv"), ("cpu", "MatMul")}, "puts MatMul of this network on the CPU"),
        ("tensorrt", {("tensorrt", "Conv"), ("cuda", "Gemm"), ("cpu", "Gather")}, None),
        ("tensorrt", {("cuda", "Conv")}, "TensorRT takes nothing of this network"),
    ],
)
def test_where_operations_really_are_decides(
    target: Target, placed: Collection[tuple[Target, str]], said: str | None
) -> None:
    named = {(PROVIDERS[provider], type) for provider, type in placed}
    if said is None:
        check_placed(named, target)
        return
    with pytest.raises(WeightsError, match=said):
        check_placed(named, target)


def test_onnx_runtime_tells_where_operations_are() -> None:
    """What `check_taken` asks on a card, by the same words, of a session as we open it."""
    session = OnnxSession(seeded(), input_shape=SHAPE, settings=ONNX, dtype=np.uint8)
    parts = session._session.get_provider_graph_assignment_info()
    placed = {(part.ep_name, node.op_type) for part in parts for node in part.get_nodes()}
    assert (PROVIDERS["cpu"], "Conv") in placed
    with pytest.raises(WeightsError, match="puts Conv of this network on the CPU"):
        check_placed(placed, "cuda")


def test_engines_of_tensorrt_are_kept_apart_by_weights_shape_and_precision(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folders = set()
    for model, shape, half in ((b"a", SHAPE, True), (b"b", SHAPE, True), (b"a", SHAPE, False), (b"a", (1, 8, 8), True)):
        (name, options), (other, _), (last, _) = providers_for("tensorrt", model, shape, half=half)
        assert [name, other, last] == GPU_BUILD
        assert options["trt_fp16_enable"] is half
        folders.add(Path(options["trt_engine_cache_path"]))
    assert len(folders) == 4
    assert all(folder.is_dir() and folder.parent == tmp_path / "facelane" / "tensorrt" for folder in folders)
    profile = providers_for("tensorrt", b"a", SHAPE, half=True)[0][1]
    assert profile["trt_profile_min_shapes"] == f"{INPUT}:1x{SIDE}x{SIDE}x3"
    assert "trt_profile_min_shapes" not in providers_for("tensorrt", b"a", (1, None, None), half=True)[0][1]
