"""The detector with its real weights, and a real picture of six people."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from routing.detector import DetectorSettings, MtcnnDetector
from weights.session import RuntimeSettings
from weights.store import Store

Image = npt.NDArray[np.uint8]


@pytest.fixture(scope="session")
def detector(store: Store) -> MtcnnDetector:
    return MtcnnDetector(store, DetectorSettings(), RuntimeSettings())


@pytest.fixture(scope="session")
def six_people(store: Store) -> Image:
    """(886, 1280, 3) RGB."""
    picture = cv2.imread(str(store.find("sample-t1")), cv2.IMREAD_COLOR)
    assert picture is not None
    image = np.ascontiguousarray(picture[:, :, ::-1]).astype(np.uint8, copy=False)
    image.flags.writeable = False
    return image
