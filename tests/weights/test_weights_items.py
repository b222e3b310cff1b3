"""Sessions for items that are each work enough for a core: several at once, and the same numbers as alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from tests.weights.test_weights_session import SIDE, expected, seeded, some_images
from weights.session import ItemSession, Precision, Runtime, RuntimeSettings, open_item_session

SHAPE = (None, SIDE, SIDE, 3)


class Matched(torch.nn.Module):
    """Fails at pictures that have not as many bright values as grey ones."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = images.to(torch.float32)
        return values + (values[values > 192] + values[(values > 64) & (values < 192)]).sum()


def opened(runtime: Runtime = "openvino", precision: Precision = "float32", *, threads: int = 0) -> ItemSession:
    settings = RuntimeSettings(device="cpu", runtime=runtime, precision=precision, threads=threads)
    return open_item_session(seeded(), weights=None, input_shape=SHAPE, settings=settings)


@pytest.mark.parametrize("runtime", ["openvino", "torch", "onnxruntime"])
@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_every_batch_gives_what_the_module_gives(runtime: Runtime, count: int) -> None:
    images = some_images(count)
    session = opened(runtime)
    for pictures, means in (session.run(images), session.begin(images)()):
        # Sums in another order may round to the neighbouring grey level.
        assert np.abs(pictures.astype(int) - expected(images)[0]).max() <= 1
        np.testing.assert_allclose(means, expected(images)[1], atol=1e-5)
        assert pictures.dtype == np.uint8
        assert means.dtype == np.float32


@pytest.mark.parametrize("precision", ["float32", "auto"])
@pytest.mark.parametrize("threads", [0, 1])
def test_an_item_comes_out_the_same_alone_and_among_others(precision: Precision, threads: int) -> None:
    session = opened("openvino", precision, threads=threads)
    images = some_images(5)
    alone = [session.run(images[index : index + 1]) for index in range(5)]
    for outputs in (session.run(images), session.begin(images)()):
        for index, output in enumerate(outputs):
            np.testing.assert_array_equal(output, np.concatenate([result[index] for result in alone]))


def test_what_is_begun_together_does_not_mix() -> None:
    sessions = [opened(), opened()]
    batches = [some_images(count) for count in (1, 2, 3, 4)]
    begun = [(images, session.begin(images)) for images in batches for session in sessions]
    for images, outcome in reversed(begun):
        assert np.abs(outcome()[0].astype(int) - expected(images)[0]).max() <= 1


def test_what_nobody_waits_for_disturbs_nothing() -> None:
    session = opened()
    images = some_images(3)
    wanted = session.run(images)[0]
    for _ in range(20):
        session.begin(255 - images)
        np.testing.assert_array_equal(session.run(images)[0], wanted)


def test_threads_share_a_session() -> None:
    session = opened()
    batches = [some_images(count) for count in (1, 2, 3, 4)] * 4
    wanted = [session.run(images)[0] for images in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda images: session.begin(images)()[0], batches))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("runtime", ["openvino", "torch", "onnxruntime"])
def test_pictures_that_cannot_be_written_to_or_lie_in_pieces_are_taken(runtime: Runtime) -> None:
    session = opened(runtime)
    images = some_images(2)
    wanted = session.run(images)[0]
    frozen = images.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(session.begin(frozen)()[0], wanted)
    np.testing.assert_array_equal(session.begin(np.asfortranarray(images))()[0], wanted)


def test_no_items_are_no_work() -> None:
    session = opened()
    for pictures, means in (session.run(some_images(0)), session.begin(some_images(0))()):
        assert (pictures.shape, means.shape) == ((0, SIDE, SIDE, 3), (0, 3))


@pytest.mark.parametrize("runtime", ["openvino", "torch", "onnxruntime"])
@pytest.mark.parametrize("array", [np.zeros((1, SIDE, SIDE, 3), np.float32), np.zeros(3, np.uint8), np.uint8(3)])
def test_a_wrong_input_is_refused(runtime: Runtime, array: npt.NDArray[Any]) -> None:
    session = opened(runtime)
    for use in (session.run, session.begin):
        with pytest.raises(ValueError, match="input is"):
            use(np.asarray(array))


def striped(*, bright: int, grey: int) -> npt.NDArray[np.uint8]:
    """With so many lines of each."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[:bright] = 255
    image[bright : bright + grey] = 128
    return image


@pytest.mark.parametrize("runtime", ["openvino", "torch", "onnxruntime"])
def test_an_item_that_fails_is_told(runtime: Runtime) -> None:
    settings = RuntimeSettings(device="cpu", runtime=runtime, precision="float32")
    session = open_item_session(Matched(), weights=None, input_shape=SHAPE, settings=settings)
    images = np.stack([striped(bright=4, grey=4)] * 3)
    session.begin(images)()
    images[1] = striped(bright=5, grey=3)
    with pytest.raises(RuntimeError):
        session.begin(images)()
