"""Who judges while an expert learns: a face network out of an ONNX file, and the adversary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from experts.contract import ExpertError
from experts.training.course import AdversarySettings, LossSettings, Normalisation, OptimiserSettings
from experts.training.discriminator import Adversary
from experts.training.judges import FaceJudge
from experts.training.learner import TERMS, Learner
from experts.training.onnx_network import OnnxNetwork
from experts.training.settings import TrainingSettings
from experts.training.subjects import SUBJECTS
from tests.experts.test_training_run import CPU, feed_of, noise_pool


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small convolutions only get in each other's way; the next test gets its threads back."""
    ours = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(ours)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small embedding network with every operator of MobileFaceNet's; exported, as that one, for one face."""
    random = np.random.default_rng(0)

    def weights(*shape: int) -> onnx.TensorProto:
        values = random.normal(0.0, 1.0 / np.sqrt(np.prod(shape[1:]) or 1), shape).astype(np.float32)
        name = f"w{len(constants)}"
        constants.append(numpy_helper.from_array(values, name))
        return constants[-1]

    constants: list[onnx.TensorProto] = []
    six = numpy_helper.from_array(np.array(6.0, np.float32))
    zero = numpy_helper.from_array(np.array(0.0, np.float32))
    shape = numpy_helper.from_array(np.array([1, -1], np.int64))
    nodes = [
        helper.make_node("Constant", [], ["zero"], value=zero),
        helper.make_node("Constant", [], ["six"], value=six),
        helper.make_node("Constant", [], ["shape"], value=shape),
        helper.make_node(
            "Conv", ["in", weights(8, 3, 3, 3).name, weights(8).name], ["a"], strides=[2, 2], pads=[1] * 4
        ),
        helper.make_node("Clip", ["a", "zero", "six"], ["b"]),
        helper.make_node("Conv", ["b", weights(8, 1, 3, 3).name], ["c"], group=8, pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Add", ["b", "d"], ["e"]),
        helper.make_node("Conv", ["e", weights(4, 8, 3, 3).name], ["f"], strides=[4, 4], pads=[0, 0, 1, 1]),
        helper.make_node("Reshape", ["f", "shape"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "embedding",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, [1, 3, 112, 112])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, None])],
        constants,
    )
    path = tmp_path_factory.mktemp("judge") / "network.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), str(path))
    return path


def faces(count: int, side: int = 160) -> torch.Tensor:
    random = np.random.default_rng(1)
    rough = [cv2.GaussianBlur(random.random((side, side, 3)), (0, 0), 4.0) for _ in range(count)]
    stretched = [cv2.normalize(each, np.empty(0), 0.0, 1.0, cv2.NORM_MINMAX) for each in rough]
    return torch.from_numpy(np.stack(stretched)).permute(0, 3, 1, 2).float()


def test_onnx_network_gives_what_the_reference_gives(network: Path) -> None:
    pictures = np.random.default_rng(2).random((3, 3, 112, 112)).astype(np.float32)
    reference = ReferenceEvaluator(str(network))
    given = [iter(reference.run(None, {"in": picture[None]})) for picture in pictures]
    expected = np.concatenate([np.asarray(next(each)) for each in given])
    mine = OnnxNetwork(network)(torch.from_numpy(pictures)).numpy()
    np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-5)


def test_what_is_no_embedding_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    path.write_bytes(b"no network at all")
    with pytest.raises(ExpertError, match="cannot be read as an ONNX file"):
        OnnxNetwork(path)
    value = helper.make_tensor_value_info("in", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Sin", ["in"], ["out"])], "other", [value], [out])
    onnx.save(helper.make_model(graph), str(path))
    with pytest.raises(ExpertError, match="operator Sin"):
        OnnxNetwork(path)


def test_judge_sees_more_wrong_in_more_blur_and_leads_back(network: Path) -> None:
    judge, target = FaceJudge(network, 160), faces(2)
    blurred = [
        torch.from_numpy(
            np.stack([cv2.GaussianBlur(face, (0, 0), sigma) for face in target.permute(0, 2, 3, 1).numpy()])
        )
        for sigma in (2.0, 8.0)
    ]
    near, far = (judge(each.permute(0, 3, 1, 2), target) for each in blurred)
    assert 0.0 < near.identity < far.identity
    assert 0.0 < near.perceptual < far.perceptual
    mine = blurred[1].permute(0, 3, 1, 2).clone().requires_grad_(True)
    verdict = judge(mine, target)
    (verdict.identity + verdict.perceptual).backward()
    assert mine.grad is not None
    better = judge(mine.detach() - 0.01 * mine.grad / mine.grad.abs().max(), target)
    assert better.identity + better.perceptual < verdict.identity + verdict.perceptual
    assert float((judge.embed(target) ** 2).sum(dim=1).mean()) == pytest.approx(1.0, abs=1e-5)


def test_judge_is_given_the_same_face_in_a_training_of_less_precision(network: Path) -> None:
    """Of expert-F's size and channels last, a bfloat16 blur would differ, and take minutes."""
    judge, large = FaceJudge(network, 480), faces(1, 480).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        reduced = judge.align(large)
    assert torch.equal(reduced, judge.align(large))


@pytest.mark.parametrize("normalisation", ["spectral", "instance", "none"])
def test_adversary_learns_to_tell_and_the_other_side_to_pass(normalisation: Normalisation) -> None:
    torch.manual_seed(1)
    adversary = Adversary(3, AdversarySettings(weight=1.0, channels=4, normalisation=normalisation, noise=0.01))
    optimiser = torch.optim.Adam(adversary.parameters(), lr=1e-2, betas=(0.0, 0.99))
    random = torch.Generator().manual_seed(1)
    true = torch.rand(4, 3, 32, 32, generator=random)
    false = torch.nn.functional.avg_pool2d(true, 3, stride=1, padding=1)
    first = float(adversary.tell(false, true, random).detach())
    for _ in range(30):
        optimiser.zero_grad()
        adversary.tell(false, true, random).backward()  # type: ignore[no-untyped-call]  # torch gives it no types
        optimiser.step()
    adversary.zero_grad()
    assert float(adversary.tell(false, true, random).detach()) < 0.9 * first
    passing = false.clone().requires_grad_(True)
    adversary.fool(passing, true, random).backward()  # type: ignore[no-untyped-call]  # torch gives it no types
    assert passing.grad is not None
    assert passing.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in adversary.parameters())


def test_penalty_is_of_the_slope_on_true_pictures() -> None:
    adversary = Adversary(3, AdversarySettings(weight=1.0, channels=4, penalty=2.0, penalty_steps=3))
    adversary.penalty(torch.rand(2, 3, 16, 16)).backward()  # type: ignore[no-untyped-call]  # torch gives it no types
    slopes = [p.grad for p in adversary.parameters() if p.ndim > 1]
    assert any(slope is not None and slope.abs().sum() > 0 for slope in slopes)


def test_crisp_step_weighs_all_that_it_was_told_to(network: Path) -> None:
    settings = TrainingSettings(
        "transformer",
        optimiser=OptimiserSettings(batch=1),
        losses=LossSettings(texture=0.1, identity=0.5, perceptual=0.25),
        adversary=AdversarySettings(weight=0.1, channels=4, ramp_steps=1),
    )
    subject = SUBJECTS["transformer"]
    learner = Learner(subject, settings, CPU, judge=FaceJudge(network, subject.large))
    feed = feed_of(noise_pool(10, side=subject.size))
    before = [parameter.clone() for parameter in learner.network.parameters()]
    learner.advance(feed, 0.0)
    terms = learner.advance(feed, 0.0)
    assert set(terms) == {*TERMS, "identity", "perceptual", "adversarial", "adversary"}
    assert all(float(term) > 0 for term in terms.values())
    moved = zip(before, learner.network.parameters(), strict=True)
    assert any(not torch.equal(old, new) for old, new in moved)


@pytest.mark.shared
def test_judge_agrees_with_the_measurement_on_real_faces(shared_data: Path) -> None:
    """MobileFaceNet through torch: faces of one person are alike, of two are not."""
    from blending.align import crop, similarity
    from experts.training import photos

    judge = FaceJudge(shared_data / "models" / "mobilefacenet" / "MobileFaceNet.onnx", 320)
    album = photos.index(shared_data / "faces" / "val")[:2]
    crops = np.stack([crop(photo.read(), similarity(photo.landmarks, 320), 320) for photo in album])
    sharp = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255.0
    small = torch.nn.functional.interpolate(sharp, size=(160, 160), mode="area")
    soft = torch.nn.functional.interpolate(small, size=(320, 320), mode="bicubic")
    alike = judge.embed(sharp) @ judge.embed(soft).T
    assert float(alike.diagonal().min()) > 0.9
    assert float(alike[0, 1]) < 0.4
