"""The command that compares the background's upscalers, on a real clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from experts.contract import ExpertInfo, Image, Upscaler
from experts.kernels import KernelUpscaler
from experts.networks.background import BackgroundNetwork
from experts.training.export import export
from experts.training.settings import TrainingSettings
from streamer import bench_background
from weights.store import Store


class Noisy:
    """Bicubic with noise that is new in every picture."""

    info = ExpertInfo("noisy", 0, 2, "none", "none needed", "cpu", "numpy", "uint8")

    def __init__(self) -> None:
        self._kernel, self._random = KernelUpscaler("bicubic", 2), np.random.default_rng(1)

    def upscale(self, image: Image) -> Image:
        enlarged = self._kernel.upscale(image)
        noise = self._random.integers(-12, 13, enlarged.shape)
        return np.asarray(np.clip(enlarged + noise, 0, 255), np.uint8)


def test_noise_shows_in_every_figure(store: Store) -> None:
    methods: dict[str, Upscaler] = {"bicubic": KernelUpscaler("bicubic", 2), "noisy": Noisy()}
    rows = bench_background.measure([store.find("sample-carphone")], methods, frames=4)
    assert [(row.crf, row.method) for row in rows] == [(crf, name) for crf in bench_background.CRFS for name in methods]
    for plain, noisy in zip(rows[::2], rows[1::2], strict=True):
        assert noisy.psnr < plain.psnr - 1.0
        assert noisy.ssim < plain.ssim
        assert noisy.detail > plain.detail
        assert noisy.flicker > plain.flicker + 3.0
        assert plain.ms > 0
    assert rows[0].psnr > rows[-2].psnr


def test_the_command_prints_a_table_of_all_methods(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "mine.safetensors"
    torch.manual_seed(3)
    export(BackgroundNetwork(), weights, TrainingSettings("background"))
    clip = str(store.find("sample-carphone"))
    bench_background.main([clip, "--weights", str(weights), "--frames", "2"])
    lines = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()]
    assert tuple(lines[0]) == bench_background.HEADINGS
    assert [line[:2] for line in lines[2:5]] == [["18", "bicubic"], ["18", "lanczos"], ["18", "compact"]]
    # A network that learned nothing is bicubic.
    assert lines[2][2:6] == lines[4][2:6]
    assert len(lines) == 2 + 9
