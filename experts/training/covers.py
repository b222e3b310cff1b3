"""Hands, microphones and masks before a face: large, part of the scene, and so in both pictures of a pair.

A restorer that saw them in its input alone would learn to paint a face over a hand. Seen in both, they are things to be
left as they are. They are drawn: shapes with rounded shading, creases, texture and a soft shadow, in the colours of the
face's own light.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from experts.contract import Image
from experts.training.canvas import Canvas
from experts.training.degradation import DegradationSettings
from experts.training.draws import maybe
from experts.training.motion import Points


def cover(
    picture: Image, landmarks: Points, width: float, settings: DegradationSettings, random: np.random.Generator
) -> Image:
    """The picture, (H, W, 3) uint8 RGB, with something before its face as often as the settings say."""
    size = maybe(settings.cover_share, settings.cover, random)
    kind = settings.covers[int(random.integers(len(settings.covers)))]
    # A generator of its own, so that what comes after draws the same whatever is drawn here.
    own = np.random.default_rng(random.integers(2**32))
    if size is None:
        return picture
    canvas = Canvas(picture, landmarks, width, own)
    _KINDS[kind](canvas, size)
    return canvas.picture


def _hand(canvas: Canvas, size: float) -> None:
    """Four fingers, a thumb and the back of the hand, come from below or the side. `size`: across the knuckles."""
    random = canvas.random
    place = np.array([random.uniform(-0.35, 0.35), random.uniform(0.1, 0.5)])
    lean = random.uniform(-0.9, 0.9) - 0.8 * np.sign(place[0]) * random.uniform(0.0, 1.0)
    up = np.array([np.sin(lean), -np.cos(lean)])
    right, hand = np.array([-up[1], up[0]]) * random.choice([-1.0, 1.0]), place + 0.0
    skin = canvas.skin() * random.uniform(0.82, 1.08) * (1.0 + random.normal(0.0, 0.02, 3))
    radius, spread = size / 8.4, random.uniform(0.02, 0.16)
    wrist = hand - up * size * 2.0
    canvas.lay(canvas.capsule(np.array([wrist, hand - up * size * 0.8]), (0.36 * size, 0.33 * size)), skin, 0.3 * size)
    canvas.lay(
        canvas.capsule(np.array([hand - up * size * 0.72, hand - up * size * 0.3]), (0.36 * size, 0.46 * size)),
        skin,
        0.25 * size,
    )
    curl = random.uniform(0.65, 1.0)
    for finger, length in ((0, 0.78), (3, 0.62), (1, 0.9), (2, 0.84)):
        aside = (finger - 1.5) * 2.05 * radius
        way = up + right * (finger - 1.5) * spread
        root = hand + right * aside - up * size * 0.18
        knuckle = root + way * size * length * 0.5 * curl
        tip = root + way * size * length * curl + right * random.normal(0.0, 0.02)
        tone = skin * random.uniform(0.95, 1.04)
        canvas.lay(canvas.capsule(np.array([root, knuckle]), (1.12 * radius, 1.02 * radius)), tone, 1.2 * radius)
        canvas.lay(
            canvas.capsule(np.array([knuckle, tip]), (1.02 * radius, 0.8 * radius)),
            tone * [1.02, 0.98, 0.98],
            1.1 * radius,
        )
        nail = tip + way * 0.05 * radius
        canvas.lay(
            canvas.capsule(np.array([nail - way * 0.5 * radius, nail + way * 0.2 * radius]), (0.42 * radius,) * 2),
            np.minimum(tone * [1.1, 1.04, 1.06], 250),
            0.4 * radius,
            gloss=0.3,
            grain=0.0,
        )
    root = hand - up * size * 0.65 - right * size * 0.34
    thumb = root + (up * 0.72 - right * random.uniform(0.25, 0.6)) * size * 0.55
    canvas.lay(canvas.capsule(np.array([root, thumb]), (1.5 * radius, 1.0 * radius)), skin * 0.98, 1.4 * radius)


def _microphone(canvas: Canvas, size: float) -> None:
    """A grille on a tapered shaft, held before the mouth or below it."""
    random = canvas.random
    lean = random.uniform(-0.7, 0.7)
    down = np.array([np.sin(lean), np.cos(lean)])
    head = np.array([canvas.turn + random.uniform(-0.2, 0.2), random.uniform(0.3, 0.6)])
    radius = 0.32 * size
    dark = np.full(3, random.uniform(14.0, 45.0)) * (1.0 + random.normal(0.0, 0.05, 3))
    shaft = np.array([head + down * radius * 0.9, head + down * radius * 7.0])
    canvas.lay(canvas.capsule(shaft, (0.75 * radius, 0.5 * radius)), dark, 0.6 * radius, gloss=0.5, grain=0.01)
    metal = np.full(3, random.uniform(25.0, 120.0))
    canvas.lay(
        canvas.capsule(np.array([head, head + down * 0.3 * radius]), (radius, 0.95 * radius)),
        metal,
        radius,
        gloss=0.35,
        grain=0.0,
    )
    pitch = radius / 5.0
    right = np.array([down[1], -down[0]])
    wires = [
        np.array([head + one * pitch * n - other * reach, head + one * pitch * n + other * reach])
        for one, other in ((right, down), (down, right))
        for n in range(-4, 5)
        for reach in [np.sqrt(max(0.0, 1.0 - (n / 5.0) ** 2)) * radius * 0.96]
    ]
    canvas.lay(canvas.lines(wires, 0.28 * pitch) * np.float32(0.55), metal * 0.4, pitch, grain=0.0)
    ring = head + down * radius * 0.95
    canvas.lay(
        canvas.capsule(np.array([ring - right * 0.8 * radius, ring + right * 0.8 * radius]), (0.13 * radius,) * 2),
        metal * 1.2 + 20.0,
        0.13 * radius,
        gloss=0.5,
        grain=0.0,
    )


def _mask(canvas: Canvas, size: float) -> None:
    """A folded mask from the nose to the chin; `size` is that of its upper edge's rise: a small one shows the nose."""
    random, turn = canvas.random, 0.7 * canvas.turn
    top = 0.2 - 0.55 * min(size, 0.6)
    half, chin = 0.44, 0.66
    edge = [(-half, top + 0.12), (-0.28, top + 0.03), (turn - 0.09, top), (turn + 0.09, top), (0.28, top + 0.03)]
    edge += [(half, top + 0.12), (half - 0.02, 0.33), (0.3, chin - 0.09), (turn + 0.1, chin), (turn - 0.1, chin)]
    edge += [(-0.3, chin - 0.09), (0.02 - half, 0.33)]
    cloths = ((150, 190, 215), (228, 230, 232), (30, 30, 34), (120, 160, 150))
    cloth = np.array(cloths[int(random.integers(len(cloths)))]) * random.uniform(0.85, 1.05)
    loops = [
        np.array([(side * (half - 0.02), low), (side * 0.52, high)])
        for side in (-1, 1)
        for low, high in ((top + 0.14, -0.06), (0.32, 0.06))
    ]
    canvas.lay(canvas.lines(loops, 0.01), np.minimum(cloth * 1.1, 245), 0.02, grain=0.0)
    canvas.lay(canvas.outline(np.array(edge)), cloth, 0.22, grain=0.02)
    across = np.linspace(-0.92, 0.92, 15)
    folds = [np.stack([half * across, y + 0.03 * (1.0 - across**2)], axis=1) for y in np.linspace(top + 0.16, 0.46, 3)]
    canvas.lay(canvas.lines(folds, 0.014) * np.float32(0.3), cloth * 0.5, 0.02, grain=0.0)


_KINDS: Mapping[str, Callable[[Canvas, float], None]] = MappingProxyType(
    {"hand": _hand, "microphone": _microphone, "mask": _mask}
)
