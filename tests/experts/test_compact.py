"""The background's network in its session: what it adds, for planes of every size, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from experts.background import BackgroundSettings, load_network, make_upscaler, weights_of
from experts.compact import ID, WEIGHTS_ID, CompactUpscaler
from experts.contract import ExpertError, Image
from experts.kernels import KernelUpscaler
from experts.networks.background import BackgroundNetwork
from experts.tiling import TiledUpscaler
from experts.training.codec import h264, through
from experts.training.export import export
from experts.training.settings import TrainingSettings
from weights.session import RuntimeSettings, WeightsError, load_weights
from weights.store import Store

FULL = RuntimeSettings(device="cpu", precision="float32", threads=1)
REDUCED = RuntimeSettings(device="cpu", threads=1)
TORCH = RuntimeSettings(device="cpu", runtime="torch", precision="float32")
COMPACT = BackgroundSettings(method=ID)

Change = Callable[[BackgroundNetwork], Any]


def _stirred(network: BackgroundNetwork) -> None:
    torch.nn.init.normal_(network.leave.weight, std=0.01)


def _biased(network: BackgroundNetwork, *, by: float) -> None:
    assert network.leave.bias is not None
    torch.nn.init.constant_(network.leave.bias, by)


def weights_file(folder: Path, change: Change = _stirred) -> Path:
    """Weights of a network that does something, though nothing good; or what `change` makes of a fresh one."""
    torch.manual_seed(7)
    network = BackgroundNetwork()
    change(network)
    path = folder / "background.safetensors"
    export(network, path, TrainingSettings("background"))
    return path


def upscaler(path: Path, runtime: RuntimeSettings = FULL) -> CompactUpscaler:
    return CompactUpscaler(weights=path, label="some", licence="MIT", runtime=runtime)


@pytest.fixture(scope="module")
def some_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return weights_file(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def ready(some_weights: Path) -> CompactUpscaler:
    """In full precision."""
    return upscaler(some_weights)


def picture(height: int, width: int, *channels: int) -> Image:
    """Smoothed noise that reaches from black to white."""
    noise = np.random.default_rng(5).uniform(0, 255, (height + 8, width + 8, *channels)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.2)[4:-4, 4:-4].reshape(height, width, *channels)
    return np.asarray(np.clip(128 + 4 * (smooth - 128), 0, 255), np.uint8)


def by_torch(path: Path, plane: Image) -> Image:
    """What the network that was trained makes of a plane of whole cells."""
    network = BackgroundNetwork().eval()
    load_weights(network, path)
    with torch.no_grad():
        enlarged = network(torch.from_numpy(plane)[None, None].float() / 255)[0, 0]
    return np.asarray((enlarged.clamp(0, 1) * 255).round().to(torch.uint8).numpy())


@pytest.mark.parametrize("runtime", [FULL, TORCH, REDUCED])
def test_it_is_the_network_that_was_trained(some_weights: Path, runtime: RuntimeSettings) -> None:
    plane = picture(72, 104)
    found = upscaler(some_weights, runtime).upscale(plane)
    wanted = by_torch(some_weights, plane)
    kernel = KernelUpscaler("bicubic", 2).upscale(plane)
    difference = np.abs(found.astype(int) - wanted)
    # Enlargement and correction are rounded apart, and reduced precision has 8 bits for corrections.
    assert difference.max() <= (2 if runtime is not REDUCED else 4)
    assert difference.mean() < 0.5
    assert np.abs(kernel.astype(int) - wanted).mean() > 2.0


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4), (53, 77), (54, 76), (360, 641), (1081, 1919)])
def test_planes_of_every_size_come_out_twice_as_large(ready: CompactUpscaler, size: tuple[int, int]) -> None:
    plane = picture(*size)
    found = ready.upscale(plane)
    assert found.shape == (2 * size[0], 2 * size[1])
    assert found.dtype == np.uint8
    if min(size) > 40:
        # What lies far enough from the border is no matter of how it was brought to whole cells.
        inner = ready.upscale(np.ascontiguousarray(plane[:-1, :-1]))[:-80, :-80]
        assert np.abs(found[: inner.shape[0], : inner.shape[1]].astype(int) - inner).max() <= 1


def test_a_network_that_learned_nothing_gives_the_kernels_picture(tmp_path: Path) -> None:
    fresh = upscaler(weights_file(tmp_path, lambda network: None), REDUCED)
    plane = picture(50, 70)
    np.testing.assert_array_equal(fresh.upscale(plane), KernelUpscaler("bicubic", 2).upscale(plane))


def test_a_correction_ends_at_black_and_at_white(tmp_path: Path) -> None:
    for bias, end in ((5.0, 255), (-5.0, 0)):
        path = weights_file(tmp_path, partial(_biased, by=bias))
        plane = np.full((8, 8), end, np.uint8)
        assert (upscaler(path).upscale(plane) == end).all()


def test_channels_are_enlarged_one_by_one(ready: CompactUpscaler) -> None:
    image = picture(20, 30, 3)
    found = ready.upscale(image)
    for channel in range(3):
        np.testing.assert_array_equal(found[..., channel], ready.upscale(np.ascontiguousarray(image[..., channel])))


def test_part_of_a_frame_and_one_that_cannot_be_written_to_are_taken(ready: CompactUpscaler) -> None:
    frame = picture(40, 60)
    wanted = ready.upscale(frame[4:36, 8:48].copy())
    frame.flags.writeable = False
    np.testing.assert_array_equal(ready.upscale(frame[4:36, 8:48]), wanted)


def test_tiles_are_not_seen(ready: CompactUpscaler) -> None:
    image = picture(203, 330)
    whole = ready.upscale(image)
    pieced = TiledUpscaler(ready, tile=160, overlap=48, step=4).upscale(image)
    difference = np.abs(pieced.astype(int) - whole)
    # It sees 40 px, most of it within a few; of an overlap of 48 the outer 18 are given away.
    assert difference.max() <= 3
    assert difference.mean() < 0.05


@pytest.mark.parametrize("runtime", [FULL, TORCH])
def test_its_description_says_what_it_runs_on(some_weights: Path, runtime: RuntimeSettings) -> None:
    info = upscaler(some_weights, runtime).info
    assert (info.id, info.input_size, info.scale, info.weights, info.licence) == ("compact", 0, 2, "some", "MIT")
    assert (info.device, info.precision) == ("cpu", "float32")
    assert info.runtime == ("torch" if runtime is TORCH else "openvino")


def test_four_times_is_the_network_and_then_the_kernel(ready: CompactUpscaler) -> None:
    luma, chroma = picture(31, 41), picture(16, 21)
    made, kernel = make_upscaler(COMPACT, 4, ready), KernelUpscaler("bicubic", 4)
    np.testing.assert_array_equal(made.upscale(luma), KernelUpscaler("bicubic", 2).upscale(ready.upscale(luma)))
    np.testing.assert_array_equal(
        made.upscale_chroma(chroma, luma_size=(31, 41)), kernel.upscale_chroma(chroma, luma_size=(31, 41))
    )


def test_nothing_is_done_at_scale_1(ready: CompactUpscaler) -> None:
    luma, chroma = picture(31, 41), picture(16, 21)
    made = make_upscaler(COMPACT, 1, ready)
    assert made.upscale(luma) is luma
    assert made.upscale_chroma(chroma, luma_size=(31, 41)) is chroma
    assert made.lighter() is made


@pytest.mark.parametrize("scale", [2, 4])
def test_for_less_the_kernel_does_it(ready: CompactUpscaler, scale: int) -> None:
    luma, chroma = picture(31, 41), picture(16, 21)
    made, plain = make_upscaler(COMPACT, scale, ready), make_upscaler(BackgroundSettings(), scale)
    np.testing.assert_array_equal(made.lighter().upscale(luma), plain.upscale(luma))
    np.testing.assert_array_equal(
        made.lighter().upscale_chroma(chroma, luma_size=(31, 41)), plain.upscale_chroma(chroma, luma_size=(31, 41))
    )
    assert not np.array_equal(made.upscale(luma), plain.upscale(luma))
    assert plain.lighter() is plain


def test_the_tile_setting_holds_for_the_network_too(ready: CompactUpscaler) -> None:
    image = picture(150, 200)
    made = make_upscaler(BackgroundSettings(method=ID, tile=128, overlap=48), 2, ready)
    assert np.abs(made.upscale(image).astype(int) - ready.upscale(image)).max() <= 3


def test_without_its_network_it_is_refused() -> None:
    with pytest.raises(ExpertError, match="wants its network"):
        make_upscaler(COMPACT, 2)


def test_only_the_network_wants_weights(store: Store) -> None:
    for method in ("bicubic", "lanczos"):
        assert weights_of(BackgroundSettings(method=method), store, FULL) == ()
    assert weights_of(COMPACT, store, FULL) == (WEIGHTS_ID,)


def test_no_network_is_loaded_for_a_kernel(store: Store) -> None:
    assert load_network(BackgroundSettings(), store, FULL) is None


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    path = weights_file(tmp_path, partial(_biased, by=torch.nan))
    with pytest.raises(ExpertError, match="not finite: fetch or train it anew"):
        upscaler(path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    export(BackgroundNetwork(channels=16), path, TrainingSettings("background"))
    with pytest.raises(WeightsError, match="has the shape"):
        upscaler(path)


class Failing:
    """In the place of a session: fails as the runtimes do."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def run(self, array: Image) -> tuple[Image, ...]:
        raise self._error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("Exception from src/x.cpp:1:\nno such thing\n"), ExpertError),
        (RuntimeError("std::bad_alloc"), MemoryError),
        (torch.OutOfMemoryError("CUDA out of memory"), torch.OutOfMemoryError),
        (MemoryError(), MemoryError),
    ],
)
def test_what_a_runtime_raises_is_told_apart(
    some_weights: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, told: type[Exception]
) -> None:
    broken = upscaler(some_weights)
    monkeypatch.setattr(broken, "_session", Failing(error))
    with pytest.raises(told):
        broken.upscale(picture(8, 8))


def test_the_shipped_network_comes_nearer_to_the_truth_than_bicubic(store: Store) -> None:
    """On a photograph that is halved and coded, as a whole: what is gained is small, but nothing may be lost."""
    network = load_network(COMPACT, store, REDUCED)
    assert network is not None
    photo = cv2.imread(str(store.find("sample-astronaut")), cv2.IMREAD_COLOR_RGB)
    small = cv2.resize(np.asarray(photo), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    seen = through(h264(crf=23.0, preset="veryfast", zero_latency=True), [np.asarray(small, np.uint8)] * 3)[2]
    truth, low = (np.asarray(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY), np.uint8) for each in (np.asarray(photo), seen))

    def error(made: Image) -> float:
        return float(np.square(made.astype(float) - truth).mean())

    assert error(network.upscale(low)) < 0.97 * error(KernelUpscaler("bicubic", 2).upscale(low))
