"""How light a face's skin is in its photograph.

The individual typology angle, ITA = arctan((L* - 50) / b*) in degrees of CIELAB (D65): A. Chardon, I. Cretois,
C. Hourseau: Skin colour typology and suntanning pathways. International Journal of Cosmetic Science 13 (1991), 191-208.
Theirs is of a spectrometer on the skin. A photograph's also depends on its light, exposure and white balance, so
that one person can fall into two classes: it groups photographs, and is no statement about people.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from blending.align import crop, similarity
from experts.contract import Image
from experts.quality.sample import Points

CLASSES = (("light", 41.0), ("medium", 10.0), ("dark", -90.0))
"""Classes, and the angle in degrees above which they begin, two of Chardon's six in each: very light and light,
intermediate and tan, brown and dark."""

Lab = npt.NDArray[np.float32]

_SIDE = 128
_CHEEKS = ((0.53, 0.66, 0.27, 0.39), (0.53, 0.66, 0.61, 0.73))
"""Top, bottom, left and right of the cheeks in an aligned crop, as shares of its side: under the eyes, outside of nose
and mouth, above most beards."""


def typology_angle(picture: Image, landmarks: Points) -> float:
    """ITA in degrees of the face of (H, W, 3) uint8 sRGB with `landmarks` (5, 2), -90 to 180; the smaller, the darker.

    Of the median of L* and that of b* over both cheeks.
    """
    face = crop(picture, similarity(landmarks, _SIDE), _SIDE)
    lab = np.asarray(cv2.cvtColor(face.astype(np.float32) / np.float32(255.0), cv2.COLOR_RGB2Lab), np.float32)
    skin = np.concatenate([_part(lab, cheek).reshape(-1, 3) for cheek in _CHEEKS])
    lightness, _, yellow = (float(value) for value in np.median(skin, axis=0))
    # By both signs: skin that a cast makes bluer than grey (b* < 0) is still lighter the larger L* is.
    return float(np.degrees(np.arctan2(lightness - 50.0, yellow)))


def tone(angle: float) -> str:
    """The class of an ITA in degrees."""
    return next((name for name, least in CLASSES if angle > least), CLASSES[-1][0])


def _part(lab: Lab, share: tuple[float, float, float, float]) -> Lab:
    top, bottom, left, right = (round(_SIDE * each) for each in share)
    return lab[top:bottom, left:right]
