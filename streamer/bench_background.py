"""How well whole pictures are enlarged: `python -m streamer.bench_background CLIP...` prints a table of the methods.

Every clip is halved, coded by x264 and enlarged again; luma as a whole is compared with the clip's own, as a video
codec's is. For faces there is `facelane bench quality`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from experts.compact import ID, CompactUpscaler, make
from experts.contract import Image, Upscaler
from experts.kernels import KernelUpscaler
from experts.quality.metrics import flicker, high_frequencies, psnr, ssim
from experts.training.codec import h264, through
from streamer.color import ColorSpec, from_rgb
from streamer.media.reader import FileReader
from weights.session import RuntimeSettings
from weights.store import Store

CRFS = (18.0, 23.0, 30.0)
FRAMES = 24
LEAD = 8
"""Frames before those that are measured, in which the encoder finds its way."""
HEADINGS = ("CRF", "method", "PSNR", "SSIM", "high frequencies", "flicker", "ms")


@dataclass(frozen=True, slots=True)
class Row:
    """Means over clips. `psnr` in dB; `detail`: high frequencies over the truth's; `flicker` in levels of 255; `ms`: of
    a picture of 640x360, at best."""

    crf: float
    method: str
    psnr: float
    ssim: float
    detail: float
    flicker: float
    ms: float

    def cells(self) -> tuple[str, ...]:
        figures = (
            f"{self.psnr:.2f}",
            f"{self.ssim:.4f}",
            f"{self.detail:.2f}",
            f"{self.flicker:.2f}",
            f"{self.ms:.1f}",
        )
        return f"{self.crf:.0f}", self.method, *figures


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m streamer.bench_background", description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="of the network, in the place of those shipped")
    parser.add_argument(
        "--frames", type=int, default=FRAMES, help=f"that are measured of each clip (default: {FRAMES})"
    )
    given = parser.parse_args(arguments)
    methods = upscalers(given.weights, RuntimeSettings())
    rows = measure(given.clips, methods, frames=given.frames)
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(row.cells() for row in rows)]
    sys.stdout.write("".join(f"| {' | '.join(line)} |\n" for line in lines))


def upscalers(weights: Path | None, runtime: RuntimeSettings) -> dict[str, Upscaler]:
    """The methods that there are; the network with its own weights, or with those of a file."""
    kernels: dict[str, Upscaler] = {name: KernelUpscaler(name, 2) for name in ("bicubic", "lanczos")}
    if weights is None:
        return {**kernels, ID: make(Store(), runtime)}
    return {**kernels, ID: CompactUpscaler(weights=weights, label=weights.name, licence="unknown", runtime=runtime)}


def measure(clips: Sequence[Path], methods: Mapping[str, Upscaler], *, frames: int = FRAMES) -> list[Row]:
    """One row for each strength of coding and method. Raises as `FileReader` and the methods do."""
    times = _milliseconds(methods)
    pairs = [(crf, list(_coded(clips, crf, frames))) for crf in CRFS]
    return [
        _row(crf, name, [_compare(upscaler, *pair) for pair in coded], times[name])
        for crf, coded in pairs
        for name, upscaler in methods.items()
    ]


def _row(crf: float, name: str, figures: Sequence[Sequence[float]], ms: float) -> Row:
    means = [float(mean) for mean in np.mean(figures, axis=0)]
    return Row(crf, name, psnr=means[0], ssim=means[1], detail=means[2], flicker=means[3], ms=ms)


def _coded(clips: Sequence[Path], crf: float, frames: int) -> Iterator[tuple[Image, Image]]:
    """Of each clip luma as it came through the codec at half the size, (T, H, W), and as it was, (T, 2H, 2W)."""
    codec = h264(crf=crf, preset="veryfast", zero_latency=True)
    for path in clips:
        with FileReader(path) as reader:
            whole = [_quartered(frame.rgb()) for frame in islice(reader, LEAD + frames)]
        seen = through(codec, [_halved(picture) for picture in whole])
        yield _luma(seen[LEAD:]), _luma(whole[LEAD:])


def _quartered(picture: Image) -> Image:
    """Its sides multiples of 4, so that those of the halved picture are even, as 4:2:0 video wants."""
    height, width = (extent // 4 * 4 for extent in picture.shape[:2])
    return np.ascontiguousarray(picture[:height, :width])


def _halved(picture: Image) -> Image:
    return np.asarray(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)


def _luma(pictures: Sequence[Image]) -> Image:
    return np.stack([from_rgb(picture, ColorSpec())[0] for picture in pictures])


def _compare(upscaler: Upscaler, low: Image, high: Image) -> tuple[float, float, float, float]:
    made, true = np.stack([upscaler.upscale(plane) for plane in low]).astype(np.float64), high.astype(np.float64)
    frames = list(zip(made, true, strict=True))
    figures = [float(np.mean([figure(*pair) for pair in frames])) for figure in (psnr, ssim, high_frequencies)]
    return figures[0], figures[1], figures[2], flicker(made, true)


def _milliseconds(methods: Mapping[str, Upscaler], *, rounds: int = 60) -> dict[str, float]:
    """The least of many, taken in turns: what else the machine does is not theirs."""
    plane = np.random.default_rng(0).integers(16, 236, (360, 640), np.uint8)
    taken: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds):
        for name, upscaler in methods.items():
            started = time.perf_counter()
            upscaler.upscale(plane)
            taken[name].append(1e3 * (time.perf_counter() - started))
    return {name: min(values) for name, values in taken.items()}


if __name__ == "__main__":
    main()
