"""Embedders: the networks of others, run as they run them, on faces cut as they cut them."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from blending import align
from experts import arcface_embedder, dlib_embedder
from experts.arcface_embedder import ArcFaceEmbedder
from experts.contract import ExpertError
from experts.dlib_embedder import DlibEmbedder
from experts.dlib_file import read_network
from experts.embedding import laid_on, realigned
from experts.identity import IdentitySettings, make_embedder
from tests.helpers.judges import arcface_file, dlib_file
from tests.helpers.portraits import landmarks, portrait
from weights.session import RuntimeSettings
from weights.store import Store, StoreSettings

Image = npt.NDArray[np.uint8]

EXACT = RuntimeSettings(runtime="torch", precision="float32")
SIDE = 128


def crop_of(seed: int, side: int = SIDE) -> Image:
    return align.crop(portrait(seed), align.similarity(landmarks(), side), side)


@pytest.fixture(scope="module")
def dlib_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dlib") / "network.dat"
    dlib_file(path)
    return path


@pytest.fixture
def arcface(tmp_path: Path) -> ArcFaceEmbedder:
    return ArcFaceEmbedder(arcface_file(tmp_path / "face.onnx"), label="face@0", licence="none needed")


@pytest.mark.parametrize("points", [dlib_embedder.POINTS, arcface_embedder.POINTS])
@pytest.mark.parametrize("template", [align.TEMPLATE, align.FFHQ])
def test_a_crop_is_cut_anew_so_that_its_landmarks_lie_where_the_network_wants_them(
    points: npt.NDArray[np.float64], template: npt.NDArray[np.float64]
) -> None:
    size, side = 256, 112
    dots = np.zeros((1, size, size, 3), np.uint8)
    for index, (x, y) in enumerate(template * size - 0.5):
        cv2.circle(dots[0], (round(x), round(y)), 3, (255, 255, 255) if index else (255, 0, 0), -1)
    cut = realigned(dots, template, points, side)[0]
    count, _, _, centres = cv2.connectedComponentsWithStats((cut[..., 0] > 100).astype(np.uint8))
    assert count == 6
    wanted = points * side - 0.5
    nearest = [np.linalg.norm(centres[1:] - each, axis=1).min() for each in wanted]
    # A similarity can't hit five points of another face exactly: templates differ by some hundredths of the side.
    assert max(nearest) < 0.045 * side
    assert np.mean(nearest) < 0.025 * side


def test_what_a_strength_leaves_of_a_restoration() -> None:
    crop, restored = np.full((1, 8, 8, 3), 100, np.uint8), np.full((1, 16, 16, 3), 200, np.uint8)
    assert laid_on(crop, restored, 1.0) is restored
    assert (laid_on(crop, restored, 0.25) == 125).all()


def test_dlibs_file_is_read_with_its_affine_layers_folded_in(tmp_path: Path) -> None:
    convolutions, affines, last = dlib_file(tmp_path / "network.dat", seed=3)
    network = read_network(tmp_path / "network.dat")
    for convolution, numbers, affine in zip(network.convolutions(), convolutions, affines, strict=True):
        assert convolution.bias is not None
        size, filters = convolution.weight.numel(), convolution.out_channels
        factors = affine[:filters]
        weight = numbers[:size].reshape(convolution.weight.shape) * factors[:, None, None, None]
        np.testing.assert_allclose(convolution.weight.detach().numpy(), weight, rtol=1e-6)
        bias = numbers[size:] * factors + affine[filters:]
        np.testing.assert_allclose(convolution.bias.detach().numpy(), bias, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(network.last.weight.detach().numpy(), last.T)


def test_dlibs_vectors_are_of_length_one_and_do_not_depend_on_the_batch(dlib_path: Path) -> None:
    embedder = DlibEmbedder(dlib_path, label="d@0", licence="CC0-1.0", runtime=EXACT)
    crops = np.stack([crop_of(seed) for seed in range(3)])
    vectors = embedder.embed(crops)
    assert vectors.shape == (3, 128)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(embedder.embed(crops[2:]), vectors[2:], atol=1e-5)
    assert embedder.embed(crops[:0]).shape == (0, 128)
    assert (embedder.info.id, embedder.info.licence, embedder.info.precision) == ("dlib", "CC0-1.0", "float32")


def test_a_judge_on_torch_leaves_the_other_networks_their_threads(dlib_path: Path) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        DlibEmbedder(dlib_path, label="d@0", licence="CC0-1.0", runtime=EXACT)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.network
def test_dlibs_network_says_what_dlib_says_and_tells_a_face_from_another(store: Store) -> None:
    import dlib

    entry = store.entry(dlib_embedder.WEIGHTS)
    path = store.find(entry.id)
    embedder = DlibEmbedder(path, label=entry.digest, licence=entry.licence, runtime=EXACT)
    read = cv2.imread(str(store.find("sample-astronaut")))
    picture = np.asarray(cv2.cvtColor(np.asarray(read), cv2.COLOR_BGR2RGB), np.uint8)
    eyes_nose_mouth = np.array([[196.0, 110], [247, 109], [223, 137], [205, 164], [243, 163]])
    crops = [align.crop(picture, align.similarity(eyes_nose_mouth, side), side) for side in (64, 160)]
    theirs = dlib.face_recognition_model_v1(str(path))
    ours = [embedder.embed(crop[None])[0] for crop in (*crops, crop_of(0))]
    for crop, vector in zip(crops, ours, strict=False):
        (chip,) = realigned(crop[None], align.TEMPLATE, dlib_embedder.POINTS, 150)
        wanted = np.array(theirs.compute_face_descriptor(chip))
        np.testing.assert_allclose(vector, wanted / np.linalg.norm(wanted), atol=2e-5)
    assert ours[0] @ ours[1] > 0.95, "one face, of 38 and of 96 pixels"
    assert ours[1] @ ours[2] < embedder.info.threshold


def test_dlibs_chip_is_that_of_dlib() -> None:
    """Its five points are others: corners of eyes and the nose's foot; but they are of the same mean face."""
    import dlib

    five = [[0.8595675, 0.2134981], [0.6460604, 0.2289674], [0.1205750, 0.2137274], [0.3340850, 0.2290642]]
    points = [dlib.point(*map(round, (10_000 * x, 10_000 * y))) for x, y in (*five, [0.4901123, 0.6277975])]
    whole = dlib.rectangle(0, 0, 10_000, 10_000)
    details = dlib.get_face_chip_details(dlib.full_object_detection(whole, points), 150, 0.25)
    edges = (details.rect.left(), details.rect.top(), details.rect.right(), details.rect.bottom())
    np.testing.assert_allclose(edges, (-2500, -2500, 12_500, 12_500), atol=2.0)
    eyes = dlib_embedder.POINTS[:2] * 1.5 - 0.25
    np.testing.assert_allclose(eyes, [np.mean(five[2:4], axis=0), np.mean(five[:2], axis=0)], atol=0.006)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: data[: len(data) // 2], "cut"),
        (lambda data: data[:-5], "cut"),
        (lambda data: b"", "29 convolutions are wanted, there are 0"),
        (lambda data: b"PK\x03\x04" + data[:999], "dlib's face recognition network"),
        (lambda data: data.replace(b"\x01\x07affine_", b"\x01\x07affine!", 1), "29 convolutions are wanted"),
        (lambda data: data.replace(b"\x05con_4\x01\x02", b"\x05con_4\x01\x09", 1), "another version"),
    ],
    ids=["half", "end missing", "empty", "archive", "layer missing", "version"],
)
def test_another_file_than_dlibs_is_refused_by_name(tmp_path: Path, dlib_path: Path, spoil: object, words: str) -> None:
    assert callable(spoil)
    path = tmp_path / "spoiled.dat"
    path.write_bytes(spoil(dlib_path.read_bytes()))
    with pytest.raises(ExpertError, match=rf"spoiled\.dat .*{words}"):
        read_network(path)


def test_arcface_sees_a_face_as_insightface_would_show_it_one(arcface: ArcFaceEmbedder) -> None:
    from insightface.utils.face_align import norm_crop

    picture, points = portrait(1), landmarks()
    (vector,) = arcface.embed(align.crop(picture, align.similarity(points, 224), 224)[None])
    with warnings.catch_warnings():
        # It calls scikit-image in a way that this will drop.
        warnings.simplefilter("ignore", FutureWarning)
        chip = norm_crop(np.ascontiguousarray(picture[..., ::-1]), landmark=points.astype(np.float32))[..., ::-1]
    levels = (chip.astype(np.float32) - 127.5) / 127.5
    wanted = levels.reshape(8, 14, 8, 14, 3).mean(axis=(1, 3)).transpose(2, 0, 1).ravel()
    assert vector @ (wanted / np.linalg.norm(wanted)) > 0.99, "the other order of colours gives far less"
    swapped = wanted.reshape(3, 8, 8)[::-1].ravel()
    assert vector @ (swapped / np.linalg.norm(swapped)) < 0.98


def test_arcface_takes_many_faces_through_a_network_for_one(arcface: ArcFaceEmbedder) -> None:
    crops = np.stack([crop_of(seed) for seed in range(3)])
    vectors = arcface.embed(crops)
    assert vectors.shape == (3, 192)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(arcface.embed(crops[1:2])[0], vectors[1])
    assert arcface.embed(crops[:0]).shape == (0, 192)


def test_a_file_that_is_no_face_network_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ExpertError, match=r"text\.onnx can't be read as a face network"):
        ArcFaceEmbedder(tmp_path / "text.onnx", label="", licence="")
    large = arcface_file(tmp_path / "large.onnx", side=160)
    with pytest.raises(ExpertError, match=r"large\.onnx takes faces of \(160, 160\) pixels, ArcFace's have 112"):
        ArcFaceEmbedder(large, label="", licence="")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"judge": "dlip"}, "did you mean 'dlib'"),
        ({"share": 0.0}, "share is above 0"),
        ({"step": 1.5}, "step is above 0"),
        ({"threshold": 2.0}, "threshold is a cosine"),
        ({"margin": -0.1}, "margin lies between"),
        ({"delay_frames": 0}, "delay_frames is 1 or more"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ExpertError, match=words):
        IdentitySettings(**wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_an_unknown_judge_is_refused_with_the_nearest(store: Store) -> None:
    with pytest.raises(ExpertError, match="did you mean 'arcface'"):
        make_embedder("arkface", store, RuntimeSettings())


def test_a_judge_that_none_is_near_to_is_refused_with_all(store: Store) -> None:
    with pytest.raises(ExpertError, match="there is no judge 'foo'; known: dlib, arcface"):
        make_embedder("foo", store, RuntimeSettings())


def test_a_missing_package_is_told_before_174_mb_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "insightface", None)
    with pytest.raises(ExpertError, match=r"insightface is not installed; .*'facelane\[identity\]'"):
        make_embedder("arcface", Store(StoreSettings(folder=tmp_path)), RuntimeSettings())
