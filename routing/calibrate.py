"""Measures where sharp and soft faces part: `python -m routing.calibrate FOLDER` over a folder of sharp photographs.

Every photograph's largest face is brought to widths of 100 to 150 px, where the gate asks for sharpness, and
measured as it is and after each kind of loss. The bound that the gate wants is the one that calls the fewest faces
of either kind wrongly (Youden 1950, the J statistic).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from routing.detector import DetectorSettings, MtcnnDetector
from routing.traits import sharpness
from routing.types import Box, Detection
from weights.session import RuntimeSettings
from weights.store import Store

Image = npt.NDArray[np.uint8]
Loss = Callable[[Image, float], Image]

WIDTHS_PX = (100, 125, 149)
# The detector looks at photographs at this size: they hold one large face.
DETECTION_SIDE_PX = 320
PERCENTILES = (5, 25, 50, 75, 95)


def defocused(image: Image, width_px: float, share: float) -> Image:
    """Blurred by a Gaussian whose sigma is `share` of the face's width."""
    return _uint8(cv2.GaussianBlur(image, (0, 0), share * width_px))


def enlarged(image: Image, factor: float) -> Image:
    """As if it had been taken `factor` times smaller and enlarged."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (round(width / factor), round(height / factor)), interpolation=cv2.INTER_AREA)
    return _uint8(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def compressed(image: Image, quality: int) -> Image:
    """After JPEG at `quality`."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None, "OpenCV can't read what it has just written"
    return _uint8(decoded)


LOSSES: dict[str, Loss] = {
    "none": lambda image, _: image,
    "compressed 40": lambda image, _: compressed(image, 40),
    "defocused .8 %": lambda image, width: defocused(image, width, 0.008),
    "defocused 1.5 %": lambda image, width: defocused(image, width, 0.015),
    "enlarged 2x": lambda image, _: enlarged(image, 2.0),
    "enlarged 2x, compressed 40": lambda image, _: compressed(enlarged(image, 2.0), 40),
}
SHARP = ("none", "compressed 40")
SOFT = ("defocused 1.5 %", "enlarged 2x", "enlarged 2x, compressed 40")


def photographs(folder: Path) -> Iterator[Image]:
    """Every picture under `folder` that OpenCV reads, as RGB."""
    for path in sorted(folder.rglob("*")):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.suffix.lower() in {".jpg", ".jpeg", ".png"} else None
        if picture is not None:
            yield _uint8(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))


def largest_face(image: Image, detector: MtcnnDetector) -> Detection | None:
    """The widest face, in pixels of `image`."""
    scale = min(1.0, DETECTION_SIDE_PX / max(image.shape[:2]))
    small = _uint8(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    found = max(detector.detect(small), key=lambda face: face.box.width, default=None)
    if found is None:
        return None
    return Detection(Box(*(v / scale for v in found.box)), found.landmarks / np.float32(scale), found.score)


def measure(image: Image, face: Detection) -> dict[str, list[float]]:
    """The sharpness of one face after each loss, at each of the widths that it reaches."""
    values: dict[str, list[float]] = {name: [] for name in LOSSES}
    for width in WIDTHS_PX:
        scale = width / face.box.width
        if scale > 1.0:
            continue
        resized = _uint8(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        box, landmarks = Box(*(v * scale for v in face.box)), face.landmarks * np.float32(scale)
        for name, lose in LOSSES.items():
            values[name].append(sharpness(lose(resized, width), box, landmarks))
    return values


def best_bound(sharp: Sequence[float], soft: Sequence[float]) -> tuple[float, float]:
    """The bound from which faces are called sharp, and the share of each kind, on average, that it calls rightly."""
    candidates = np.unique(np.concatenate([sharp, soft]))
    kept = np.mean(np.asarray(sharp)[None] >= candidates[:, None], axis=1)
    refused = np.mean(np.asarray(soft)[None] < candidates[:, None], axis=1)
    best = int(np.argmax(kept + refused))
    return float(candidates[best]), float((kept + refused)[best] / 2.0)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m routing.calibrate", description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder of sharp photographs with faces of 150 px or more")
    folder = parser.parse_args(arguments).folder
    detector = MtcnnDetector(Store(), DetectorSettings(), RuntimeSettings())
    values: dict[str, list[float]] = {name: [] for name in LOSSES}
    for image in photographs(folder):
        face = largest_face(image, detector)
        if face is not None:
            for name, measured in measure(image, face).items():
                values[name] += measured
    if not values["none"]:
        sys.stderr.write(f"no face in any photograph under {folder}: give a folder of portraits\n")
        return 1
    sys.stdout.write(table(values))
    return 0


def table(values: dict[str, list[float]]) -> str:
    """The distribution after each loss, and the best bound."""
    lines = [f"{'loss':28}" + "".join(f"{f'p{p}':>8}" for p in PERCENTILES)]
    for name, measured in values.items():
        lines.append(f"{name:28}" + "".join(f"{v:8.0f}" for v in np.percentile(measured, PERCENTILES)))
    bound, right = best_bound(*([v for name in names for v in values[name]] for names in (SHARP, SOFT)))
    lines.append(f"best bound {bound:.0f}: right for {right:.1%} of {len(values['none'])} measurements of each kind")
    return "\n".join(lines) + "\n"


def _uint8(array: npt.NDArray[np.generic]) -> Image:
    return array.astype(np.uint8, copy=False)


if __name__ == "__main__":
    sys.exit(main())
