"""RetinaFace with random weights against facexlib's own detections on the same picture."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from routing.crops import Image
from routing.detector import DetectorSettings
from routing.detectors import make_detector
from routing.retinaface import OVERLAP, RetinaFaceFinder, build_network, make_finder
from routing.suppression import suppress
from routing.types import RoutingError
from tests.helpers.torchvision_here import make_importable
from weights.errors import WeightsError
from weights.session import Runtime, RuntimeSettings, Taken
from weights.store import Store, StoreSettings

Numbers = npt.NDArray[np.float32]
MOBILE = "retinaface-mobilenet0.25"


@pytest.fixture(scope="module", autouse=True)
def _torchvision() -> None:
    make_importable()


def random_network(id: str) -> nn.Module:
    torch.manual_seed(5)
    return build_network(id)


@pytest.fixture
def noise() -> Image:
    """Of a size that is no multiple of the network's steps."""
    return np.random.default_rng(9).integers(0, 256, (61, 83, 3), np.uint8)


@pytest.mark.parametrize(("id", "runtime"), [("retinaface-resnet50", "torch"), (MOBILE, "torch"), (MOBILE, "openvino")])
def test_it_sees_what_facexlib_sees(id: str, runtime: Runtime, noise: Image) -> None:
    """Anchor by anchor: what is kept of them depends on the order of equal scores, which random weights give many."""
    network = random_network(id)
    boxes, scores, points = seen_by_facexlib(network, noise)
    finder = RetinaFaceFinder(network, RuntimeSettings(device="cpu", runtime=runtime), least=-1.0)
    mine = finder.measure(noise)
    assert finder.taken == Taken(device="cpu", runtime=runtime, precision="float32")
    assert len(mine.scores) == len(scores) == 2 * (8 * 11 + 4 * 6 + 2 * 3)
    np.testing.assert_allclose(mine.scores, scores, atol=1e-4)
    np.testing.assert_allclose(mine.boxes, boxes, rtol=1e-3, atol=0.05)
    np.testing.assert_allclose(mine.landmarks.reshape(-1, 10), points, rtol=1e-3, atol=0.05)


def seen_by_facexlib(network: Any, picture: Image) -> tuple[Numbers, Numbers, Numbers]:
    """Boxes, scores and landmarks as its `detect_faces` has them before it leaves any out."""
    from facexlib.detection.retinaface_utils import PriorBox, decode, decode_landm

    height, width = picture.shape[:2]
    image, _ = network.transform(np.ascontiguousarray(picture[..., ::-1]), use_origin_size=True)
    with torch.no_grad():
        shifts, classes, points = network(image - network.mean_tensor)
    priors = PriorBox(network.cfg, image_size=(height, width)).forward()
    boxes = decode(shifts[0], priors, network.cfg["variance"]) * torch.tensor([width, height] * 2)
    landmarks = decode_landm(points[0], priors, network.cfg["variance"]) * torch.tensor([width, height] * 5)
    return boxes.numpy(), classes[0, :, 1].numpy(), landmarks.numpy()


def test_of_many_anchors_that_see_a_face_those_stay_that_facexlib_keeps() -> None:
    from facexlib.detection.retinaface_utils import py_cpu_nms

    dice = np.random.default_rng(3)
    corners = dice.uniform(0, 60, (300, 2))
    boxes = np.hstack([corners, corners + dice.uniform(20, 60, (300, 2))]).astype(np.float32)
    scores = dice.permutation(np.linspace(0.5, 1.0, 300)).astype(np.float32)
    theirs = py_cpu_nms(np.hstack([boxes, scores[:, None]]), 0.4)
    np.testing.assert_array_equal(suppress(boxes, scores, overlap=OVERLAP), np.array(theirs))


def test_weights_come_strictly_out_of_a_file_in_facexlibs_layout(tmp_path: Path, noise: Image) -> None:
    network = random_network(MOBILE)
    path = tmp_path / "own.pth"
    torch.save({f"module.{key}": value for key, value in network.state_dict().items()}, path)
    runtime = RuntimeSettings(device="cpu", runtime="torch")
    found, expected = make_finder(MOBILE, path, runtime).measure(noise), RetinaFaceFinder(network, runtime)
    np.testing.assert_array_equal(found.boxes, expected.measure(noise).boxes)
    store = Store(StoreSettings(folder=tmp_path, offline=True))
    with pytest.raises(WeightsError, match="it is of another architecture or version"):
        make_detector(store, DetectorSettings(method="retinaface-resnet50", file=path), runtime)


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "facexlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "facexlib", None)
    with pytest.raises(RoutingError, match=r"facexlib is not installed; pip install .*'facelane\[gan\]'"):
        build_network(MOBILE)


def test_a_torchvision_that_does_not_load_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "torchvision.py"
    broken.write_text('raise RuntimeError("operator torchvision::nms does not exist")\n')
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    with pytest.raises(RoutingError, match=r"does not load beside torch .*install the torchvision that belongs"):
        build_network(MOBILE)
