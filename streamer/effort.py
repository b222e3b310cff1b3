"""How much work a frame may be: the steps down that a live stream takes before it drops frames."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Effort:
    """What is spent on a frame.

    `faces`: at most so many are restored, None for all; which ones is the router's to choose, and it fades the others
    out. `detect_every`: frames from one full detection to the next, None for the setting's. `light_background`: the
    cheapest kernel in the place of a network, if one enlarges the background. `light_blending`: the cheapest blender in
    the place of the setting's, and no steadying of restored faces. `name`: for reports and metrics, one of `LADDER`'s.
    """

    name: str = "full"
    faces: int | None = None
    detect_every: int | None = None
    light_background: bool = False
    light_blending: bool = False


FULL = Effort()

_LIGHT = Effort("light_blending", light_background=True, light_blending=True)

LADDER = (
    FULL,
    Effort("light_background", light_background=True),
    _LIGHT,
    replace(_LIGHT, name="seldom_detecting", detect_every=6),
    replace(_LIGHT, name="four_faces", detect_every=6, faces=4),
    replace(_LIGHT, name="two_faces", detect_every=8, faces=2),
    replace(_LIGHT, name="one_face", detect_every=10, faces=1),
    replace(_LIGHT, name="background_only", detect_every=30, faces=0),
)
"""From all that is asked for to the least that is still a picture of the right size."""
