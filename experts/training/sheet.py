"""`python -m experts.training.sheet`: what every range of the settings does to a face, low, middle and high."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np

from experts.contract import ExpertError, Image
from experts.networks import NETWORKS
from experts.training import photos
from experts.training.degradation import DegradationSettings, middle, names_of_ranges, spotless
from experts.training.pairs import Pair, clip
from experts.training.photos import Photo
from experts.training.settings import load

# The steps that a parameter is seen in, where they are not its own: those taken while it goes from low to high.
STEPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "exposure": ("light_share", "noise_share"),
        "gamma": ("light_share",),
        "cast": ("light_share",),
        "blur_aspect": ("blur_share",),
        "noise_read": ("noise_share",),
        "denoise": ("denoise_share", "noise_share"),
        "crf": ("codec_share",),
        "rate_bits": ("codec_share", "rate_share"),
        "vp8_bits": ("codec_share", "vp8_share"),
        "vp9_bits": ("codec_share", "vp9_share"),
        "relay": ("codec_share", "relay_share"),
        "antialias": (),
        "speed": ("codec_share",),
        "sway": ("codec_share",),
    }
)
_NEEDS: Mapping[str, Mapping[str, object]] = MappingProxyType({"antialias": {"kernels": ("gaussian",)}})
_UNSEEN = ("landmark_memory",)
"""Ranges that only rows of pictures show."""
CELL = 200
_LABEL = 150
WIDTHS = (55.0, 110.0)
"""Faces are shown at these widths, in pixels: small and middling."""


def sheet(
    album: Sequence[Photo], settings: DegradationSettings, *, widths: Sequence[float] = WIDTHS, seed: int = 7
) -> Image:
    """(H, W, 3) uint8 RGB: a row a range; in it, for a face of each width, the input at the range's low, middle and
    high end with every other step left out, and the truth. Below it kernels, covers, the middle strength, and draws as
    a training has them: three photographs each, and the last one's truth."""
    calm = spotless(settings)
    rows = []
    for name in (name for name in names_of_ranges() if name not in _UNSEEN):
        low, high = getattr(settings, name)
        steps = dict.fromkeys(STEPS.get(name, (f"{name}_share",)), 1.0)
        needs = {**steps, **_NEEDS.get(name, {})}
        levels = [{name: (level, level), **needs} for level in (low, (low + high) / 2, high)]
        rows.append(_row(name, f"{low:g} .. {high:g}", album, [_with(calm, level) for level in levels], widths, seed))
    for name, share in (("kernels", None), ("covers", "cover_share")):
        for word in getattr(settings, name):
            changed: dict[str, object] = {name: (word,)} | ({share: 1.0} if share else {})
            rows.append(_row(name, word, album, [_with(calm, changed)] * 3, widths, seed))
    rows.append(_row("middle", "strength", album, [middle(settings)] * 3, widths, seed))
    rows += [_row("drawn", f"seed {n}", album, [settings] * 3, widths, n) for n in range(5)]
    return np.vstack(rows)


def _with(settings: DegradationSettings, changed: Mapping[str, object]) -> DegradationSettings:
    return dataclasses.replace(settings, **changed)  # type: ignore[arg-type]  # the fields' types differ


def _row(
    name: str,
    told: str,
    album: Sequence[Photo],
    levels: Sequence[DegradationSettings],
    widths: Sequence[float],
    seed: int,
) -> Image:
    """Where all levels are the same, three photographs are shown; else one, with the same draws."""
    same = all(level is levels[0] for level in levels)
    cells = [_label(name, told)]
    for n, width in enumerate(widths):
        pairs = [
            _pair(album[(seed + n + (k if same else 0)) % len(album)], width, level, seed + (k if same else 0))
            for k, level in enumerate(levels)
        ]
        cells += [_cell(pair.low) for pair in pairs] + [_cell(pairs[-1].high)]
    return np.hstack(cells)


def _pair(photo: Photo, width: float, settings: DegradationSettings, seed: int) -> Pair:
    network = NETWORKS["transformer"]
    random = np.random.default_rng(seed)
    made = clip([photo], [width], settings, size=network.input_size, scale=network.scale, random=random)
    return list(made)[-1]


def _cell(picture: Image) -> Image:
    return np.asarray(cv2.resize(picture, (CELL, CELL), interpolation=cv2.INTER_CUBIC), np.uint8)


def _label(name: str, told: str) -> Image:
    cell = np.full((CELL, _LABEL, 3), 255, np.uint8)
    for line, text in enumerate((name, told)):
        cv2.putText(cell, text, (8, 80 + 28 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return cell


def main(words: Sequence[str] | None = None) -> None:
    """Runs the command line `words`, by default the process's own."""
    parser = argparse.ArgumentParser(prog="python -m experts.training.sheet", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="TOML file with a [degradation] table")
    parser.add_argument("--faces", type=Path, required=True, help="folder of photographs with a faces.csv")
    parser.add_argument("--out", type=Path, required=True, help="PNG file to write")
    parser.add_argument("--widths", type=float, nargs="+", default=WIDTHS, help="of the faces shown, in pixels")
    arguments = parser.parse_args(words)
    made = sheet(photos.index(arguments.faces), load(arguments.config).degradation, widths=arguments.widths)
    if not cv2.imwrite(str(arguments.out), cv2.cvtColor(made, cv2.COLOR_RGB2BGR)):
        raise ExpertError(f"{arguments.out} cannot be written")


if __name__ == "__main__":
    main()
