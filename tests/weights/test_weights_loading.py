"""Weights from between two files, in sessions of both runtimes."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.weights.test_weights_session import SIDE, Sharpen, some_images
from weights.loading import load_strict, load_torch_file
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


TENSORS = {"body.weight": torch.arange(2000.0), "body.bias": torch.ones(3)}


@pytest.mark.parametrize(
    "content",
    [
        TENSORS,
        {"params": TENSORS},
        {"params": {"other": torch.zeros(1)}, "params_ema": TENSORS},
        {"state_dict": TENSORS, "epoch": 7},
        {f"module.{key}": value for key, value in TENSORS.items()},
    ],
    ids=["bare", "params", "params_ema", "state_dict", "DataParallel"],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_are_taken_out_of_every_wrapping(tmp_path: Path, content: object, zipped: bool) -> None:
    path = tmp_path / "a.pth"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    found = load_torch_file(path)
    assert list(found) == list(TENSORS)
    assert all(torch.equal(found[key], TENSORS[key]) for key in TENSORS)


class Code:
    """What a pickle can do to whoever trusts it."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.unlink, ("witness",)


def torch_bytes(folder: Path, content: object, *, zipped: bool = True) -> bytes:
    path = folder / "whole.pth"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: b"", "is empty"),
        (lambda folder: b"<html>Not found</html>", "is not a torch file"),
        (lambda folder: torch_bytes(folder, TENSORS)[:999], "is cut off or damaged"),
        (lambda folder: torch_bytes(folder, TENSORS)[:-3], "is cut off or damaged"),
        (lambda folder: torch_bytes(folder, TENSORS, zipped=False)[:-3], "is cut off or damaged"),
        (lambda folder: torch_bytes(folder, TENSORS, zipped=False)[:99], "is cut off or damaged"),
        (lambda folder: torch_bytes(folder, {"params": Code()}), r"pickle with code in it \(posix\.unlink\)"),
        (lambda folder: torch_bytes(folder, Code(), zipped=False), r"pickle with code in it \(posix\.unlink\)"),
        (lambda folder: pickle.dumps(Code(), protocol=2), r"pickle with code in it \(posix\.unlink\)"),
        (lambda folder: pickle.dumps(Code(), protocol=4), "is not a torch file"),
        (lambda folder: torch_bytes(folder, seeded(1)), r"pickle with code in it \([\w.]*Sharpen\)"),
        (lambda folder: torch_bytes(folder, [1, 2]), "holds no state dict"),
        (lambda folder: torch_bytes(folder, {}), "holds no state dict"),
        (lambda folder: torch_bytes(folder, {"params": {"scale": 4}}), "holds no state dict"),
    ],
    ids=[
        "empty",
        "a web page",
        "cut in the middle",
        "cut at the end",
        "legacy, cut at the end",
        "legacy, cut early",
        "code",
        "legacy, code",
        "a bare pickle",
        "a modern pickle",
        "a module",
        "a list",
        "nothing",
        "no tensors",
    ],
)
def test_a_file_that_is_no_state_dict_is_named_and_nothing_in_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], bytes], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "witness").touch()
    path = tmp_path / "wrong.pth"
    path.write_bytes(make(tmp_path))
    with pytest.raises(WeightsError, match=f"{re.escape(str(path))} .*{said}") as caught:
        load_torch_file(path)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "witness").exists()


@pytest.mark.parametrize("name", ["absent.pth", "."])
def test_a_torch_file_that_cannot_be_opened_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match=re.escape(str(tmp_path / name))):
        load_torch_file(tmp_path / name)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"body.weight": None}, "lacks 'body.weight'"),
        ({"z": torch.zeros(1), "y": torch.zeros(1)}, "holds 'z'"),
        ({"body.bias": torch.zeros(1)}, r"'body.bias' has the shape \(1,\)"),
    ],
)
def test_tensors_of_another_network_are_refused_whole(changes: dict[str, torch.Tensor | None], said: str) -> None:
    module, path = seeded(3), Path("other.pth")
    state = {key: value for key, value in {**seeded(1).state_dict(), **changes}.items() if value is not None}
    with pytest.raises(WeightsError, match=rf"other\.pth.*{said}.*another architecture or version"):
        load_strict(module, state, path=path)
    assert torch.equal(module.body.weight, seeded(3).body.weight)
    load_strict(module, seeded(1).state_dict(), path=path)
    assert torch.equal(module.body.weight, seeded(1).body.weight)
