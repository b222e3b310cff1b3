"""YuNet and SCRFD by files of their form, and YuNet by its own where that is: faces found, followed, and refused."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from routing.crops import Image
from routing.detector import DetectorSettings, MtcnnDetector
from routing.detectors import LoadedDetector, make_detector, weights_of
from routing.scrfd import ScrfdFinder
from routing.types import Box, RoutingError
from routing.yunet import YuNetFinder
from tests.helpers.detectors import CELL, LANDMARKS, REACH, scrfd_file, yunet_file
from weights.session import RuntimeSettings
from weights.store import Store, StoreSettings, WeightsError

CPU = RuntimeSettings(device="cpu")
SIZE = (208, 173)
"""Height and width of pictures: no multiples of what networks work in."""


def picture(*corners: tuple[int, int], side: int = CELL, size: tuple[int, int] = SIZE) -> Image:
    """Black, with a white square to the right of and below each corner."""
    image = np.zeros((*size, 3), np.uint8)
    for x, y in corners:
        image[y : y + side, x : x + side] = 255
    return image


def face_at(x: float, y: float, *, cell: int = CELL) -> Box:
    return Box(x - REACH * cell, y - REACH * cell, x + REACH * cell, y + REACH * cell)


@pytest.fixture(scope="module", params=["scrfd", "yunet"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    path = tmp_path_factory.mktemp("networks") / f"{request.param}.onnx"
    return request.param, scrfd_file(path) if request.param == "scrfd" else yunet_file(path)


def detector_of(method: str, file: Path, *, min_face_px: float = 20.0) -> LoadedDetector:
    settings = DetectorSettings(method=method, file=file, min_face_px=min_face_px)
    return make_detector(Store(StoreSettings(offline=True)), settings, CPU)


@pytest.mark.parametrize("times", [1, 2])
def test_a_face_is_found_where_it_is_with_its_landmarks(made: tuple[str, Path], times: int) -> None:
    """Also where the picture is looked at in half its size, since faces of that width are not looked for."""
    cell = times * CELL
    detector = detector_of(*made, min_face_px=20.0 * times)
    image = picture((4 * cell, 3 * cell), side=cell, size=(13 * cell, 11 * cell))
    found = detector.detect(image)
    assert len(found) == 1
    np.testing.assert_allclose(found[0].box, face_at(4 * cell, 3 * cell, cell=cell), atol=0.05)
    expected = np.array(LANDMARKS) * cell + [4 * cell, 3 * cell]
    np.testing.assert_allclose(found[0].landmarks, expected, atol=0.05)
    assert found[0].score > 0.95


def test_a_face_narrower_than_asked_for_is_not_told(made: tuple[str, Path]) -> None:
    image = picture((64, 48))
    assert len(detector_of(*made, min_face_px=20.0).detect(image)) == 1
    half = picture((64, 96), side=2 * CELL, size=(416, 346))
    assert detector_of(*made, min_face_px=40.0).detect(half)[0].box.width == pytest.approx(128.0, rel=0.01)
    wide = detector_of(*made, min_face_px=400.0)
    assert wide.detect(picture((320, 320), side=CELL, size=(1280, 1280))) == []


def test_a_face_is_followed_in_its_crop_and_not_found_where_it_is_not(made: tuple[str, Path]) -> None:
    detector = detector_of(*made)
    image = picture((96, 96), size=(1080, 1920))
    near, far = face_at(96, 96), Box(900.0, 500.0, 964.0, 564.0)
    followed, nothing, outside = detector.detect_at(image, [near, far, Box(-900.0, -900.0, -800.0, -800.0)])
    assert nothing is None
    assert outside is None
    assert followed is not None
    np.testing.assert_allclose(followed.box, near, atol=0.05)
    assert detector.detect_at(image, []) == []


def test_where_many_are_followed_the_whole_picture_tells_them_apart(made: tuple[str, Path]) -> None:
    detector = detector_of(*made)
    corners = [(48, 48), (128, 48), (48, 144), (128, 144)]
    image = picture(*corners)
    boxes = [Box(*(value + 5.0 for value in face_at(*corner))) for corner in corners]
    for corner, found in zip(corners, detector.detect_at(image, boxes), strict=True):
        assert found is not None
        np.testing.assert_allclose(found.box, face_at(*corner), atol=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (11, 400), (33, 31)])
def test_pictures_of_any_size_will_do(made: tuple[str, Path], shape: tuple[int, int]) -> None:
    assert detector_of(*made).detect(np.zeros((*shape, 3), np.uint8)) == []


def test_what_it_runs_on_is_stated(made: tuple[str, Path]) -> None:
    detector = detector_of(*made)
    detector.prepare()
    assert (detector.taken.device, detector.taken.runtime) == (
        "cpu",
        {"scrfd": "onnxruntime", "yunet": "opencv"}[made[0]],
    )


def test_scrfd_sees_what_insightface_sees_also_by_a_file_for_one_size(tmp_path: Path) -> None:
    from insightface.model_zoo.scrfd import SCRFD

    path = scrfd_file(tmp_path / "fixed.onnx", side=128)
    image = picture((64, 96), side=2 * CELL, size=(256, 256))
    mine = ScrfdFinder(path, CPU).find(image)
    theirs, points = SCRFD(str(path)).detect(np.ascontiguousarray(image[:, :, ::-1]), det_thresh=0.35)
    assert len(theirs) == 1
    np.testing.assert_array_equal(mine.boxes, theirs[:, :4])
    np.testing.assert_array_equal(mine.landmarks, points)
    np.testing.assert_allclose(mine.boxes[0], face_at(64, 96, cell=2 * CELL), atol=0.05)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "can't be read"), (b"no network", "can't be read")],
)
@pytest.mark.parametrize("method", ["scrfd", "yunet"])
def test_a_file_that_is_none_is_named(tmp_path: Path, method: str, content: bytes, message: str) -> None:
    path = tmp_path / "own.onnx"
    path.write_bytes(content)
    with pytest.raises(RoutingError, match=message) as raised:
        detector_of(method, path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RoutingError, match=r"own\.onnx, which \[routing\.detector\] file names, is not there"):
        detector_of("yunet", tmp_path / "own.onnx")


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RoutingError, match="no SCRFD network with landmarks: it has 6 outputs"):
        detector_of("scrfd", scrfd_file(tmp_path / "plain.onnx", with_landmarks=False))
    with pytest.raises(RoutingError, match="can't be read as YuNet"):
        detector_of("yunet", scrfd_file(tmp_path / "scrfd.onnx"))
    with pytest.raises(RoutingError, match="12 outputs"):
        detector_of("scrfd", yunet_file(tmp_path / "yunet.onnx"))


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = scrfd_file(tmp_path / "scrfd.onnx")
    for name in [name for name in sys.modules if name.partition(".")[0] == "insightface"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "insightface", None)
    with pytest.raises(RoutingError, match=r"insightface is not installed; pip install .*'facelane\[identity\]'"):
        detector_of("scrfd", path)


def test_a_missing_package_is_told_before_the_weights_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "insightface"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "insightface", None)
    store = Store(StoreSettings(folder=tmp_path))
    store.accept("scrfd")
    with pytest.raises(RoutingError, match="insightface is not installed"):
        make_detector(store, DetectorSettings(method="scrfd"), CPU)
    assert store.state("scrfd") == "absent"


def test_cuda_that_onnx_runtime_lacks_is_told(tmp_path: Path) -> None:
    with pytest.raises(RoutingError, match="finds no CUDA"):
        ScrfdFinder(scrfd_file(tmp_path / "scrfd.onnx"), RuntimeSettings(device="cuda"))


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("yunet", "yunet"),
        ("scrfd", "--accept-licence scrfd"),
        ("retinaface-resnet50", "--accept-licence retinaface-resnet50"),
    ],
)
def test_absent_weights_come_with_what_to_do(tmp_path: Path, method: str, message: str) -> None:
    settings = DetectorSettings(method=method)
    assert weights_of(settings) == (method,)
    with pytest.raises(WeightsError, match=message):
        make_detector(Store(StoreSettings(folder=tmp_path, offline=True)), settings, CPU)


def test_without_a_setting_it_is_mtcnn(store: Store) -> None:
    assert isinstance(make_detector(store, DetectorSettings(), CPU), MtcnnDetector)
    assert weights_of(DetectorSettings()) == ("mtcnn-pnet", "mtcnn-rnet", "mtcnn-onet")


@pytest.mark.shared
class TestYuNet:
    """With real weights, on a real picture."""

    @pytest.fixture
    def yunet(self, shared_data: Path) -> LoadedDetector:
        return detector_of("yunet", shared_data / "models" / "yunet" / "yunet_n_dynamic.onnx", min_face_px=40.0)

    def test_it_finds_the_faces_that_mtcnn_finds_as_wide(
        self, yunet: LoadedDetector, detector: MtcnnDetector, six_people: Image
    ) -> None:
        found, known = yunet.detect(six_people), detector.detect(six_people)
        assert len(found) == len(known) == 6
        ratios = []
        for face in known:
            same = max(found, key=lambda other: other.box.iou(face.box))
            assert same.box.iou(face.box) > 0.6
            # YuNet's are less exact than MTCNN's, above all on the face of the six that is tilted by 30 degrees.
            assert np.linalg.norm(same.landmarks - face.landmarks, axis=1).mean() < 0.15 * face.box.width
            ratios.append(same.box.width / face.box.width)
        assert np.median(ratios) == pytest.approx(1.0, abs=0.08)

    def test_following_settles_instead_of_creeping(self, yunet: LoadedDetector, six_people: Image) -> None:
        first = yunet.detect(six_people)
        boxes = [face.box for face in first]
        for _ in range(20):
            boxes = [face.box for face in yunet.detect_at(six_people, boxes) if face is not None]
        assert len(boxes) == 6
        for face, box in zip(first, boxes, strict=True):
            assert box.iou(face.box) > 0.7

    def test_it_reads_the_file_as_opencv_does(self, shared_data: Path, six_people: Image) -> None:
        import cv2

        path = shared_data / "models" / "yunet" / "yunet_n_dynamic.onnx"
        size = (six_people.shape[1], six_people.shape[0])
        theirs = cv2.FaceDetectorYN.create(str(path), "", size, 0.6).detect(np.ascontiguousarray(six_people[..., ::-1]))
        mine = YuNetFinder(path).find(six_people)
        faces = np.asarray(theirs[1])
        np.testing.assert_array_equal(mine.scores, faces[:, 14])
        np.testing.assert_array_equal(mine.landmarks.reshape(-1, 10), faces[:, 4:14])
