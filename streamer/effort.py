"""How much work a frame may be: the steps down that a live stream takes before it drops frames."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """What is spent on a frame.

    `faces`: at most so many are restored, None for all; which ones is the router's to choose, and it fades the others
    out. `detect_every`: frames from one full detection to the next, None for the setting's. `light_blending`: the
    cheapest blender in the place of the setting's. `name`: for reports and metrics, one of `LADDER`'s.
    """

    name: str = "full"
    faces: int | None = None
    detect_every: int | None = None
    light_blending: bool = False


FULL = Effort()

LADDER = (
    FULL,
    Effort("light_blending", light_blending=True),
    Effort("seldom_detecting", light_blending=True, detect_every=6),
    Effort("four_faces", light_blending=True, detect_every=6, faces=4),
    Effort("two_faces", light_blending=True, detect_every=8, faces=2),
    Effort("one_face", light_blending=True, detect_every=10, faces=1),
    Effort("background_only", light_blending=True, detect_every=30, faces=0),
)
"""From all that is asked for to the least that is still a picture of the right size."""
