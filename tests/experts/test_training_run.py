"""A training from ten drawn portraits to a file of weights, how it is taken up again, and how its work is measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open

from experts.contract import ExpertError
from experts.networks import NETWORKS
from experts.networks.restorer import Restorer
from experts.training import evaluate, photos, pool
from experts.training.__main__ import main
from experts.training.export import export
from experts.training.losses import Loss
from experts.training.pool import Pool
from experts.training.settings import (
    DegradationSettings,
    OptimiserSettings,
    TrainingSettings,
    WidthBand,
    digest,
    load,
)
from experts.training.trainer import Trainer
from tests.helpers.portraits import album
from weights.session import load_weights

CONFIG = """
network = "transformer"
pairs = 20
seed = 3

[degradation]
widths = [[80, 100]]
blur = [1.2, 1.2]
blur_share = 1.0
defocus_share = 0.0
motion_share = 0.0
noise_share = 0.0
jpeg_share = 0.0
halo_share = 0.0
relay_share = 0.0
crf = [22, 26]
presets = ["ultrafast"]
vp8_share = 0.0

[optimiser]
steps = 40
batch = 2
rate = 6e-4
warmup_steps = 10
ema_steps = 8
log_steps = 10
"""


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return album(tmp_path_factory.mktemp("data") / "album", count=10)


@pytest.fixture(autouse=True)
def _own_threads() -> Iterator[None]:
    """A training sets the process's threads; the next test gets them back."""
    ours, theirs = torch.get_num_threads(), cv2.getNumThreads()
    yield
    torch.set_num_threads(ours)
    cv2.setNumThreads(theirs)


def noise_pool(count: int) -> Pool:
    random = np.random.default_rng(0)
    low = random.integers(0, 256, (count, 160, 160, 3), dtype=np.uint8)
    return Pool(low, low.repeat(2, axis=1).repeat(2, axis=2))


def test_ten_portraits_make_an_expert_that_beats_bicubic(tmp_path: Path, faces: Path) -> None:
    config, out = tmp_path / "run.toml", tmp_path / "expert.safetensors"
    config.write_text(CONFIG)
    main(["--config", str(config), "--faces", str(faces), "--out", str(out)])
    restorer = Restorer(NETWORKS["transformer"]())
    load_weights(restorer, out)
    with safe_open(out, framework="pt") as file:
        told = json.loads(file.metadata()["facelane"])
    assert told == {"architecture": "TransformerNetwork", "config": digest(load(config))}
    settings = load(config)
    pairs = pool.fill(
        tmp_path / "fresh", photos.index(faces), settings.degradation, count=10, size=160, scale=2, seed=99
    )
    with torch.no_grad():
        restored = restorer(torch.from_numpy(np.array(pairs.low)))[0].numpy()
    gains = [
        cv2.PSNR(mine, high) - cv2.PSNR(evaluate.bicubic(low, 2), high)
        for mine, low, high in zip(restored, pairs.low, pairs.high, strict=True)
    ]
    assert np.mean(gains) > 0.02


def test_training_resumes_where_it_was_cut_off(tmp_path: Path) -> None:
    optimiser = OptimiserSettings(steps=4, batch=2, minutes=1e6, log_steps=1)
    settings = TrainingSettings("transformer", optimiser=optimiser)
    pairs = noise_pool(6)
    whole = Trainer(settings, pairs, tmp_path / "whole")
    whole.run()
    cut = Trainer(replace(settings, optimiser=replace(optimiser)), pairs, tmp_path / "cut")
    cut.advance()
    cut.advance()
    cut.checkpoint()
    resumed = Trainer(settings, pairs, tmp_path / "cut")
    resumed.run()
    assert resumed.step == 4
    for one, other in zip(whole.average.parameters(), resumed.average.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_checkpoint_of_other_settings_is_not_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = TrainingSettings("transformer", optimiser=OptimiserSettings(steps=1, batch=1))
    first = Trainer(settings, noise_pool(3), tmp_path)
    first.advance()
    first.checkpoint()
    other = Trainer(replace(settings, seed=21), noise_pool(3), tmp_path)
    other.run()
    assert other.step == 1
    assert "other settings" in caplog.text


def test_progress_follows_time_or_steps_whichever_is_further(tmp_path: Path) -> None:
    settings = TrainingSettings("transformer", optimiser=OptimiserSettings(minutes=10.0, steps=100))
    trainer = Trainer(settings, noise_pool(3), tmp_path)
    trainer.seconds, trainer.step = 120.0, 10
    assert trainer.progress == pytest.approx(0.2)
    trainer.step = 50
    assert trainer.progress == pytest.approx(0.5)
    trainer.seconds = 6000.0
    assert trainer.progress == 1.0


def test_pool_is_made_once_and_anew_for_other_settings(tmp_path: Path, faces: Path) -> None:
    found = photos.index(faces)
    settings = DegradationSettings(widths=(WidthBand(40, 50),))

    def filled(seed: int) -> Pool:
        return pool.fill(tmp_path, found, settings, count=3, size=160, scale=2, seed=seed)

    first = filled(1)
    made = (tmp_path / "low.npy").stat().st_mtime_ns
    again = filled(1)
    assert (tmp_path / "low.npy").stat().st_mtime_ns == made
    assert np.array_equal(first.low, again.low)
    kept = np.array(first.low)
    assert not np.array_equal(kept, filled(2).low)


def test_flipped_pairs_are_mirrored_together() -> None:
    pairs = noise_pool(3)
    low, high = pairs.batch(np.array([0, 2]), flipped=np.array([False, True]))
    plain_low, plain_high = pairs.batch(np.array([0, 2]))
    assert torch.equal(low[0], plain_low[0])
    assert torch.equal(low[1], plain_low[1].flip(-1))
    assert torch.equal(high[1], plain_high[1].flip(-1))


def test_loss_falls_with_the_error_and_weighs_the_face_more() -> None:
    loss = Loss(64, OptimiserSettings())
    target = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    far, near = loss(target + 0.2, target), loss(target + 0.1, target)
    assert far > near > loss(target, target)
    middle, corner = target.clone(), target.clone()
    middle[..., 28:36, 28:36] += 0.5
    corner[..., :8, :8] += 0.5
    assert loss(middle, target) > 2.0 * loss(corner, target)


@pytest.mark.parametrize("name", NETWORKS)
def test_shipped_configurations_are_complete(name: str) -> None:
    path = Path(pool.__file__).with_name(f"{name}.toml")
    settings = load(path)
    assert settings.network == name
    assert settings.pairs > 1000
    text = path.read_text()
    assert all(field in text for field in ("widths", "crf", "blur", "rate", "fft_weight"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('network = "transformer"\npears = 3', "pears"),
        ('network = "transformer"\n[degradation]\nblurr = [1, 2]', "blurr"),
        ("pairs = 3", "network"),
        ('network = "transformer"\n[degradation]\nwidths = [3]', "widths"),
        ('network = "transfomer"', "did you mean 'transformer'"),
        ("network = ", "as TOML"),
    ],
)
def test_wrong_settings_are_answered_by_name(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ExpertError, match=complaint):
        load(path)


def test_export_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network, paths = NETWORKS["frequency"](), [tmp_path / f"{i}.safetensors" for i in range(3)]
    for path in paths:
        export(network, path, TrainingSettings("frequency"))
    assert len({path.read_bytes() for path in paths}) == 1


def test_digest_changes_with_any_setting() -> None:
    settings = TrainingSettings("transformer")
    others = [replace(settings, seed=1), replace(settings, degradation=DegradationSettings(crf=(20.0, 21.0)))]
    assert len({digest(settings), *map(digest, others)}) == 3
    assert digest(settings) == digest(TrainingSettings("transformer"))


def test_evaluation_compares_every_band(
    tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {}
    for name, network in NETWORKS.items():
        files[name] = tmp_path / f"{name}.safetensors"
        export(network(), files[name], TrainingSettings(name))
    monkeypatch.setattr(photos, "index", lambda folder, index=photos.index: index(folder)[:2])
    words = [f"--{name}={path}" for name, path in files.items()]
    evaluate.main(["--faces", str(faces), "--out", str(tmp_path / "out"), *words])
    results = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert [(r["expert"], r["low"]) for r in results] == [
        ("transformer", 50),
        ("transformer", 75),
        ("transformer", 100),
        ("frequency", 100),
        ("frequency", 125),
    ]
    for result in results:
        # Untrained networks are the bicubic enlargement, to the rounding of the session's precision.
        assert result["restored"]["psnr"] == pytest.approx(result["bicubic"]["psnr"], abs=0.1)
        assert result["restored"]["ssim"] == pytest.approx(result["bicubic"]["ssim"], abs=0.01)
        assert result["faces"] == 2
    printed = capsys.readouterr().out
    assert "125-150" in printed
    sheet = cv2.imread(str(tmp_path / "out" / "frequency_125-150.png"))
    assert sheet is not None
    assert sheet.shape[1] == 3 * 480
