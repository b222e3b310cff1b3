"""Weights from between two files, in sessions of both runtimes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.weights.test_weights_session import SIDE, Sharpen, some_images
from weights.session import Interpolation, Runtime, RuntimeSettings, WeightsError, load_weights, open_item_session


def seeded(seed: int) -> Sharpen:
    torch.manual_seed(seed)
    return Sharpen()


def saved(folder: Path, seed: int, **changes: torch.Tensor | None) -> Path:
    """A network's weights in half precision, as they are shipped."""
    state = {**seeded(seed).state_dict(), **changes}
    path = folder / f"seed{seed}.safetensors"
    save_file({key: value.half() for key, value in state.items() if value is not None}, path)
    return path


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_a_session_is_the_network_of_the_weights_between(tmp_path: Path, runtime: Runtime, share: float) -> None:
    settings = RuntimeSettings(device="cpu", runtime=runtime, precision="float32")
    between = Interpolation(saved(tmp_path, 1), saved(tmp_path, 2), share)
    session = open_item_session(Sharpen(), weights=between, input_shape=(None, SIDE, SIDE, 3), settings=settings)
    own = Sharpen()
    with torch.no_grad():
        pairs = zip(seeded(1).parameters(), seeded(2).parameters(), strict=True)
        for parameter, (start, end) in zip(own.parameters(), pairs, strict=True):
            parameter.copy_((1 - share) * start.half().float() + share * end.half().float())
    images = some_images(2)
    with torch.inference_mode():
        pictures, means = own(torch.from_numpy(images))
    found = session.run(images)
    # Sums in another order may round to the neighbouring grey level.
    assert np.abs(found[0].astype(int) - pictures.numpy()).max() <= 1
    np.testing.assert_allclose(found[1], means.numpy(), atol=1e-5)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_at_its_ends_it_is_exactly_one_file(tmp_path: Path, share: float) -> None:
    paths = saved(tmp_path, 1), saved(tmp_path, 2)
    mixed, plain = Sharpen(), Sharpen()
    load_weights(mixed, Interpolation(*paths, share))
    load_weights(plain, paths[int(share)])
    for one, other in zip(mixed.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("wrong", [0, 1])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"body.bias": None}, "lacks 'body.bias'"),
        ({"head.bias": torch.zeros(3)}, "holds 'head.bias'"),
        # One number would be spread over all three without a word.
        ({"body.bias": torch.zeros(1)}, r"'body.bias' has the shape \(1,\)"),
    ],
)
def test_a_file_that_does_not_fit_is_named(
    tmp_path: Path, wrong: int, changes: dict[str, torch.Tensor | None], said: str
) -> None:
    start, end = (saved(tmp_path, seed, **(changes if seed == wrong else {})) for seed in (0, 1))
    module = seeded(3)
    with pytest.raises(WeightsError, match=f"{re.escape(str((start, end)[wrong]))}.*{said}"):
        load_weights(module, Interpolation(start, end, 0.5))
    assert torch.equal(module.body.weight, seeded(3).body.weight)


@pytest.mark.parametrize("share", [-0.1, 1.01, float("nan")])
def test_a_share_outside_of_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share lies between 0 and 1"):
        Interpolation(Path("a"), Path("b"), share)
