"""What goes to a card and comes back: by the same code on the processor, where nothing is pinned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.weights.test_weights_session import SIDE, expected, seeded, some_images
from weights import torch_cuda
from weights.batching import MOST_AT_ONCE, padded_size, parts_of
from weights.cuda import find_driver, has_card
from weights.errors import OutOfMemoryError
from weights.session import (
    RuntimeSettings,
    WeightsError,
    choose_runtime,
    finest_half,
    open_item_session,
    takes_precision,
)
from weights.torch_queue import DeviceQueue

CPU = torch.device("cpu")


def queue(*, pads: bool = True, sizes: list[int] | None = None) -> DeviceQueue:
    module = seeded().eval()

    def compute(batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if sizes is not None:
            sizes.append(len(batch))
        with torch.inference_mode():
            pictures, means = module(batch)
        return pictures, means

    return DeviceQueue(compute, CPU, name="cpu", pads=pads)


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, [1]), (1, [1]), (3, [4]), (8, [8]), (MOST_AT_ONCE + 3, [MOST_AT_ONCE, 4])]
)
def test_batches_are_of_few_sizes_and_their_padding_is_never_seen(count: int, sizes: list[int]) -> None:
    images, seen = some_images(count), list[int]()
    pictures, means = queue(sizes=seen).begin(images)()
    assert seen == sizes
    assert pictures.shape == images.shape
    assert means.shape == (count, 3)
    if count:
        assert np.abs(pictures.astype(int) - expected(images)[0]).max() <= 1
        np.testing.assert_allclose(means, expected(images)[1], atol=1e-5)


def test_what_is_begun_is_done_with_its_input_and_outputs_belong_to_the_caller() -> None:
    lane, images = queue(), some_images(2)
    wanted = expected(images)[0]
    first = lane.begin(images)
    second = lane.begin(255 - images)
    images[:] = 0
    kept = second()[0].copy()
    np.testing.assert_array_equal(first()[0], wanted)
    np.testing.assert_array_equal(second()[0], kept)


def test_a_picture_of_any_size_is_not_padded() -> None:
    sizes: list[int] = []
    frozen = some_images(3)
    frozen.flags.writeable = False
    queue(pads=False, sizes=sizes).begin(np.asfortranarray(frozen))()
    assert sizes == [3]


def test_sizes_are_powers_of_two() -> None:
    assert [padded_size(count) for count in (0, 1, 2, 3, 5, 64)] == [1, 1, 2, 4, 8, 64]
    assert [len(part) for part in parts_of(np.zeros((130, 1)))] == [64, 64, 2]


class Failing(torch.nn.Module):
    """Fails as told, when it runs or when it is moved to a device."""

    def __init__(self, error: Exception, *, moved: bool = False) -> None:
        super().__init__()
        self.error = error
        self.moved = moved

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        raise self.error

    def _apply(self, fn: object, recurse: bool = True) -> Failing:
        if self.moved:
            raise self.error
        return self


NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
    MemoryError(),
]


@pytest.mark.parametrize("error", NO_MEMORY, ids=["torch", "cudnn", "cuda", "engine", "python"])
def test_want_of_memory_is_told_with_advice_while_loading_and_while_running(error: Exception) -> None:
    settings = RuntimeSettings(device="cpu", runtime="torch")
    shape = (None, SIDE, SIDE, 3)
    with pytest.raises(OutOfMemoryError, match=r"^cpu has not memory enough \(.*\); free some$"):
        open_item_session(Failing(error, moved=True), weights=None, input_shape=shape, settings=settings)
    session = open_item_session(Failing(error), weights=None, input_shape=shape, settings=settings)
    with pytest.raises(OutOfMemoryError, match=r"^cpu has not memory enough"):
        session.begin(some_images(1))()

    def fails(_batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
        raise error

    with pytest.raises(OutOfMemoryError, match=r'NVIDIA X has not .* device to "cpu"$') as caught:
        DeviceQueue(fails, CPU, name="NVIDIA X", pads=True).begin(some_images(1))
    assert isinstance(caught.value, MemoryError)
    assert isinstance(caught.value, WeightsError)


def test_a_card_that_fails_as_a_network_is_moved_to_it_ends_in_a_line() -> None:
    error = RuntimeError("CUDA error: no kernel image is available for execution on the device\nCompile with ...")
    settings = RuntimeSettings(device="cpu", runtime="torch")
    with pytest.raises(WeightsError, match=r"^torch can't bring this network to cpu \(CUDA error: .* device\)$"):
        open_item_session(
            Failing(error, moved=True), weights=None, input_shape=(None, SIDE, SIDE, 3), settings=settings
        )


def test_other_failures_stay_what_they_are() -> None:
    session = open_item_session(
        Failing(RuntimeError("no such kernel")),
        weights=None,
        input_shape=(None, SIDE, SIDE, 3),
        settings=RuntimeSettings(device="cpu", runtime="torch"),
    )
    with pytest.raises(RuntimeError, match="no such kernel"):
        session.run(some_images(1))


@pytest.mark.parametrize(
    ("bfloat16", "capability", "taken"),
    [(True, (8, 0), "bfloat16"), (False, (7, 5), "float16"), (False, (6, 1), "float32")],
)
def test_left_alone_a_card_computes_in_what_it_is_fast_in(
    monkeypatch: pytest.MonkeyPatch, bfloat16: bool, capability: tuple[int, int], taken: str
) -> None:
    """By what torch says of a card."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bfloat16)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    settings = RuntimeSettings(device="cuda", runtime="torch")
    assert takes_precision(settings) == taken
    assert takes_precision(replace(settings, precision="float16")) == "float16"
    assert takes_precision(replace(settings, precision="float32")) == "float32"
    # Networks of others are in float16 wherever that is fast.
    assert takes_precision(finest_half(settings)) == ("float32" if taken == "float32" else "float16")
    assert finest_half(replace(settings, precision="bfloat16")).precision == "bfloat16"


@pytest.fixture
def found_card(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Exception], None]]:
    """Torch finds a card; what happens as soon as it computes there is to be said."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA X")

    def computing_ends_in(error: Exception) -> None:
        def end(*_: object, **__: object) -> torch.Tensor:
            raise error

        monkeypatch.setattr(torch, "ones", end)

    torch_cuda._trial_fault.cache_clear()
    yield computing_ends_in
    torch_cuda._trial_fault.cache_clear()


def test_a_card_that_torch_has_no_kernels_for_is_left_alone_and_refused_by_name(
    found_card: Callable[[Exception], None], caplog: pytest.LogCaptureFixture
) -> None:
    found_card(RuntimeError("CUDA error: no kernel image is available for execution on the device\nmore"))
    assert choose_runtime(RuntimeSettings()) == "openvino"
    assert "can't compute on NVIDIA X: CUDA error: no kernel image" in caplog.text
    shape = (None, SIDE, SIDE, 3)
    session = open_item_session(seeded(), weights=None, input_shape=shape, settings=RuntimeSettings(runtime="torch"))
    assert session.taken.device == "cpu"
    with pytest.raises(WeightsError, match=r'compute on NVIDIA X: .* on the device; set device to "cpu" or "auto"'):
        choose_runtime(RuntimeSettings(device="cuda"))


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("CUDA error: out of memory")]
)
def test_want_of_memory_at_the_moment_is_no_fault_of_the_card(
    found_card: Callable[[Exception], None], error: Exception
) -> None:
    found_card(error)
    assert torch_cuda.cuda_fault() == ""


def test_a_card_that_is_busy_is_told_in_a_line(
    found_card: Callable[[Exception], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy() -> str:
        raise RuntimeError("CUDA error: all devices are busy")

    monkeypatch.setattr(torch.cuda, "get_device_name", busy)
    assert torch_cuda.cuda_fault().endswith("can't compute on the card: CUDA error: all devices are busy")


def test_without_a_driver_there_is_no_card() -> None:
    assert find_driver("libcuda-that-is-nowhere.so.1") is None
    assert has_card() == bool((driver := find_driver()) and driver.cards)
