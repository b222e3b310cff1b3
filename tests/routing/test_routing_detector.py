"""MTCNN with its published weights on real pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from routing.crops import crops_of, squares_about
from routing.detector import DetectorSettings, MtcnnDetector
from routing.pyramid import Image
from routing.types import Box, Detection
from weights.session import RuntimeSettings
from weights.store import Store

# Centres of the six faces of the sample, left to right, read off the picture.
CENTRES = [(105, 335), (318, 208), (518, 337), (791, 409), (955, 130), (1180, 336)]


def center(box: Box) -> tuple[float, float]:
    return (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2


def from_left(found: list[Detection]) -> list[Detection]:
    return sorted(found, key=lambda face: face.box.x0)


def test_all_six_faces_of_the_sample_and_nothing_else(detector: MtcnnDetector, six_people: Image) -> None:
    found = from_left(detector.detect(six_people))
    assert len(found) == 6
    for face, place in zip(found, CENTRES, strict=True):
        assert np.hypot(*np.subtract(center(face.box), place)) < 0.2 * face.box.width
        assert 85 < face.box.width < 125


def test_landmarks_lie_as_in_a_face(detector: MtcnnDetector, six_people: Image) -> None:
    for face in detector.detect(six_people):
        right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
        assert right_eye[0] < left_eye[0]
        assert right_mouth[0] < left_mouth[0]
        assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])
        assert all(face.box.x0 < x < face.box.x1 and face.box.y0 < y < face.box.y1 for x, y in face.landmarks)


def test_a_mirrored_picture_gives_mirrored_faces(detector: MtcnnDetector, six_people: Image) -> None:
    mirrored = detector.detect(np.ascontiguousarray(six_people[:, ::-1]))
    width = six_people.shape[1]
    back = from_left(
        [Detection(Box(width - f.box.x1, f.box.y0, width - f.box.x0, f.box.y1), f.landmarks, f.score) for f in mirrored]
    )
    for face, other in zip(from_left(detector.detect(six_people)), back, strict=True):
        assert face.box.iou(other.box) > 0.8


@pytest.mark.parametrize("scale", [0.5, 0.7, 1.5])
def test_faces_are_found_at_any_size_above_the_smallest(
    detector: MtcnnDetector, six_people: Image, scale: float
) -> None:
    resized = cv2.resize(six_people, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
    found = from_left(detector.detect(resized))
    assert len(found) == 6
    for face, place in zip(found, CENTRES, strict=True):
        assert np.hypot(*np.subtract(center(face.box), np.multiply(place, scale))) < 0.2 * face.box.width


def test_faces_below_the_smallest_are_not_looked_for(store: Store, six_people: Image) -> None:
    coarse = MtcnnDetector(store, DetectorSettings(min_face_px=200), RuntimeSettings())
    assert coarse.detect(six_people) == []


@pytest.mark.parametrize("shape", [(1, 1), (11, 11), (23, 400), (49, 49), (50, 50), (64, 3000)])
def test_images_of_any_size_will_do(detector: MtcnnDetector, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (*shape, 3), np.uint8)
    assert detector.detect(noise) == []


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_even_picture_has_no_faces(detector: MtcnnDetector, level: int) -> None:
    assert detector.detect(np.full((360, 640, 3), level, np.uint8)) == []


def test_a_face_cut_by_the_edge_reaches_beyond_it(detector: MtcnnDetector, six_people: Image) -> None:
    whole = from_left(detector.detect(six_people))[0]
    cut = round(whole.box.x0 + 0.2 * whole.box.width)
    found = from_left(detector.detect(np.ascontiguousarray(six_people[:, cut:700])))[0]
    assert found.box.x0 < 0
    assert found.box.width == pytest.approx(whole.box.width, rel=0.2)


class TestFollowing:
    def test_a_box_that_is_off_finds_its_face_again(self, detector: MtcnnDetector, six_people: Image) -> None:
        faces = detector.detect(six_people)
        off = [Box(*(v + 0.12 * face.box.width for v in face.box)) for face in faces]
        for face, found in zip(faces, detector.detect_at(six_people, off), strict=True):
            assert found is not None
            assert found.box.iou(face.box) > 0.7
            assert np.abs(found.landmarks - face.landmarks).mean() < 0.06 * face.box.width

    def test_it_settles_instead_of_creeping(self, detector: MtcnnDetector, six_people: Image) -> None:
        """A box fed back must neither grow nor wander: the same still, forty times over."""
        first = detector.detect(six_people)
        boxes = [face.box for face in first]
        for _ in range(40):
            found = detector.detect_at(six_people, boxes)
            boxes = [face.box for face in found if face is not None]
        assert len(boxes) == 6
        for face, box in zip(first, boxes, strict=True):
            assert box.iou(face.box) > 0.7

    def test_nothing_is_found_where_nothing_is(self, detector: MtcnnDetector, six_people: Image) -> None:
        places = [Box(600, 600, 700, 720), Box(-500, -500, -400, -400), Box(5000, 10, 5100, 120)]
        assert detector.detect_at(six_people, places) == [None, None, None]

    def test_no_boxes_need_no_work(self, detector: MtcnnDetector, six_people: Image) -> None:
        assert detector.detect_at(six_people, []) == []


class TestCrops:
    IMAGE = np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (100, 1, 3))

    def test_squares_are_even_and_keep_the_centre(self) -> None:
        squares = squares_about(np.array([[10.3, 20.1, 50.2, 80.9]], np.float32))
        assert (squares % 2 == 0).all()
        x, y, side = squares[0].tolist()
        assert side == 60
        assert (x + side / 2, y + side / 2) == pytest.approx((30.25, 50.5), abs=1.1)

    def test_a_crop_shows_its_square(self) -> None:
        crop = crops_of(self.IMAGE, np.array([[40, 20, 48]], np.int32), 48)[0]
        np.testing.assert_array_equal(crop, self.IMAGE[20:68, 40:88])

    def test_what_lies_outside_is_grey(self) -> None:
        crop = crops_of(self.IMAGE, np.array([[-24, 10, 48]], np.int32), 48)[0]
        assert (crop[:, :24] == 127).all()
        np.testing.assert_array_equal(crop[:, 24:], self.IMAGE[10:58, :24])


def test_both_runtimes_see_the_same(detector: MtcnnDetector, store: Store, six_people: Image) -> None:
    plain = MtcnnDetector(store, DetectorSettings(), RuntimeSettings(runtime="torch"))
    assert plain.taken.runtime != detector.taken.runtime
    for a, b in zip(plain.detect(six_people), detector.detect(six_people), strict=True):
        np.testing.assert_allclose(a.box, b.box, atol=0.1)
        np.testing.assert_allclose(a.landmarks, b.landmarks, atol=0.1)


def test_the_landmarks_are_measured_in_full_precision(detector: MtcnnDetector) -> None:
    assert detector.taken.precision == "float32"
