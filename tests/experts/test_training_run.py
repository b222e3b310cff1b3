"""A training from ten drawn portraits to a file of weights, how it is taken up again, and how its work is measured."""

from __future__ import annotations

import itertools
import json
import pickle
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from experts.contract import ExpertError
from experts.networks import NETWORKS
from experts.training import photos, pool, run
from experts.training.checkpoints import Checkpoint
from experts.training.course import AdversarySettings, LossSettings, OptimiserSettings, RunSettings
from experts.training.export import export
from experts.training.feed import Feed
from experts.training.held_out import HeldOut
from experts.training.learner import TERMS, Learner
from experts.training.losses import Loss
from experts.training.pool import Pool, Recipe
from experts.training.run import Task
from experts.training.settings import DegradationSettings, TrainingSettings, WidthBand, digest, load
from experts.training.subjects import SUBJECTS
from experts.training.trainer import Trainer
from experts.training.watch import Quiet
from tests.helpers.portraits import album
from weights.session import load_weights

CONFIG = """
network = "background"
pairs = 40
held_out = 4
seed = 3

[degradation]
widths = [[80, 100]]
blur = [1.2, 1.2]
blur_share = 1.0
kernels = ["area"]
crf = [22, 26]
presets = ["ultrafast"]
light_share = 0.0
gradient_share = 0.0
backlight_share = 0.0
cover_share = 0.0
defocus_share = 0.0
motion_share = 0.0
clip_share = 0.0
veil_share = 0.0
noise_share = 0.0
denoise_share = 0.0
halo_share = 0.0
jpeg_share = 0.0
speck_share = 0.0
rate_share = 0.0
vp8_share = 0.0
relay_share = 0.0
lost_share = 0.0

[optimiser]
steps = 4
batch = 2
warmup_steps = 8

[run]
log_steps = 10
threads = 1
"""
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return album(tmp_path_factory.mktemp("data") / "album", count=10)


@pytest.fixture(autouse=True)
def _own_threads() -> Iterator[None]:
    """A training sets the process's threads; the next test gets them back."""
    ours, theirs = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(ours)
    cv2.setNumThreads(theirs)


def noise_pool(count: int, *, side: int = 160, channels: int = 3) -> Pool:
    random = np.random.default_rng(0)
    low = random.integers(0, 256, (count, side, side, channels), dtype=np.uint8)
    return Pool(low, low.repeat(2, axis=1).repeat(2, axis=2))


def feed_of(pairs: Pool) -> Feed:
    return Feed(pairs, CPU, device_gb=1.0)


def brief(**course: Any) -> TrainingSettings:
    """Four steps of the smallest network, in which no time counts."""
    wanted = {"steps": 4, "batch": 2, "minutes": 1e6, **course}
    return TrainingSettings("background", optimiser=OptimiserSettings(**wanted), run=RunSettings(log_steps=1))


def trainer_in(folder: Path, settings: TrainingSettings, *, count: int = 6) -> Trainer:
    subject = SUBJECTS[settings.network]
    pairs = noise_pool(count, side=subject.size, channels=subject.channels)
    folder.mkdir(exist_ok=True)
    learner = Learner(subject, settings, CPU)
    return Trainer(
        learner,
        Checkpoint(folder / "checkpoint.pt", learner.network, settings),
        feed=feed_of(pairs),
        held_out=HeldOut(feed_of(noise_pool(2, side=subject.size, channels=subject.channels)), subject, None),
        folder=folder,
    )


def weights(trainer: Trainer) -> list[torch.Tensor]:
    return list(trainer.learner.average.parameters())


def blob_pool(count: int, *, seed: int) -> Pool:
    """Shapes with sharp edges, and what a weak lens makes of them: something that can be learned in a minute."""
    random = np.random.default_rng(seed)
    high, low = np.empty((count, 192, 192, 1), np.uint8), np.empty((count, 96, 96, 1), np.uint8)
    for place in range(count):
        hills = cv2.GaussianBlur(random.standard_normal((192, 192)), (0, 0), 6.0)
        high[place, ..., 0] = np.where(hills > 0, 190, 60)
        soft = cv2.GaussianBlur(high[place], (0, 0), 2.4)
        low[place, ..., 0] = cv2.resize(soft, (96, 96), interpolation=cv2.INTER_AREA)
    return Pool(low, high)


def test_what_is_learned_shows_on_what_was_not_seen(tmp_path: Path) -> None:
    settings = brief(steps=60, batch=4, rate=2e-3, warmup_steps=5, ema_steps=10)
    subject = SUBJECTS["background"]
    learner = Learner(subject, settings, CPU)
    held_out = HeldOut(feed_of(blob_pool(4, seed=2)), subject, None)
    before = held_out.figures(learner.restore)
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", learner.network, settings)
    feed = feed_of(blob_pool(24, seed=1))
    Trainer(learner, checkpoint, feed=feed, held_out=held_out, folder=tmp_path).run(Quiet())
    after = held_out.figures(learner.restore)
    assert before.network.psnr == pytest.approx(before.bicubic.psnr, abs=0.01)
    assert after.psnr_gain > 0.5
    assert after.network.ssim > after.bicubic.ssim + 0.01


def test_ten_portraits_make_a_file_of_weights(tmp_path: Path, faces: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(CONFIG)
    task = Task(load(config), photos.index(faces), tmp_path, CPU)
    assert run.train(task, Quiet())
    load_weights(SUBJECTS["background"].make(), task.weights)
    with safe_open(task.weights, framework="pt") as file:
        told = json.loads(file.metadata()["facelane"])
    assert told == {"architecture": "BackgroundNetwork", "stage": "faithful", "config": digest(task.settings)}


def recipe_of(found: Sequence[photos.Photo], settings: DegradationSettings, *, count: int, seed: int) -> Recipe:
    return Recipe(found, settings, subject="transformer", count=count, size=160, scale=2, channels=3, seed=seed)


@pytest.mark.parametrize("adversarial", [0.0, 0.1])
def test_training_resumes_to_the_same_weights(tmp_path: Path, adversarial: float) -> None:
    adversary = AdversarySettings(weight=adversarial, channels=4, ramp_steps=1, penalty_steps=2)
    settings = replace(brief(), adversary=adversary)
    whole = trainer_in(tmp_path / "whole", settings)
    assert whole.run(Quiet())
    cut = trainer_in(tmp_path / "cut", settings)
    calls = itertools.count()
    assert not cut.run(Quiet(wanted=lambda: next(calls) == 2))
    resumed = trainer_in(tmp_path / "cut", settings)
    assert resumed.resume()
    assert resumed.learner.step == 2
    assert resumed.run(Quiet())
    for one, other in zip(weights(whole), weights(resumed), strict=True):
        assert torch.equal(one, other)


def test_log_and_samples_tell_the_course(tmp_path: Path) -> None:
    trainer = trainer_in(tmp_path, brief())
    trainer.run(Quiet())
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 4]
    assert set(lines[0]) == {"step", "seconds", "rate", "loss"}
    assert set(lines[0]["loss"]) == set(TERMS)
    assert set(lines[-1]["held_out"]["network"]) == {"psnr", "ssim", "high_frequencies", "identity"}
    (sample,) = (tmp_path / "samples").iterdir()
    sheet = cv2.imread(str(sheet_path := sample))
    assert sheet_path.name == "step-0000004.png"
    assert sheet is not None
    assert sheet.shape == (2 * 192, 3 * 192, 3)


def test_log_of_what_was_lost_is_dropped(tmp_path: Path) -> None:
    trainer = trainer_in(tmp_path, brief())
    trainer.run(Quiet())
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 5, "seconds": 1}\n{"step": 6, "sec')
    trainer_in(tmp_path, brief()).resume()
    last = (tmp_path / "log.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["step"] == 4


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (replace(brief(), seed=21), "seed = 20, not 21"),
        (brief(rate=1e-4), "optimiser.rate = 0.0015, not 0.0001"),
        (replace(brief(), network="transformer"), "architecture = 'BackgroundNetwork"),
    ],
)
def test_checkpoint_of_another_training_is_refused(tmp_path: Path, other: TrainingSettings, told: str) -> None:
    trainer_in(tmp_path, brief()).save()
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(ExpertError, match="remove the file to begin afresh") as refused:
        trainer_in(tmp_path, other).resume()
    assert told in str(refused.value)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_checkpoint_may_go_on_on_another_machine(tmp_path: Path) -> None:
    trainer_in(tmp_path, brief()).save()
    assert trainer_in(tmp_path, replace(brief(), run=RunSettings(threads=1, workers=3))).resume()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", pickle.dumps({"step": 1}, protocol=2)])
def test_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    trainer = trainer_in(tmp_path, brief())
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(ExpertError, match="not a checkpoint"):
        trainer.resume()


def test_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    trainer = trainer_in(tmp_path, brief())
    with torch.no_grad():
        next(trainer.learner.network.parameters()).fill_(torch.nan)
    with pytest.raises(ExpertError, match="no number"):
        trainer.run(Quiet())
    assert not (tmp_path / "checkpoint.pt").exists()


def test_progress_follows_time_or_steps_whichever_is_further(tmp_path: Path) -> None:
    trainer = trainer_in(tmp_path, brief(minutes=10.0, steps=100))
    trainer.seconds, trainer.learner.step = 120.0, 10
    assert trainer.progress == pytest.approx(0.2)
    trainer.learner.step = 50
    assert trainer.progress == pytest.approx(0.5)
    trainer.seconds = 6000.0
    assert trainer.progress == 1.0


def test_rate_warms_up_and_falls_along_a_cosine() -> None:
    course = OptimiserSettings(rate=1.0, warmup_steps=10, final_rate_share=0.1)
    assert course.rate_at(0, 0.0) == pytest.approx(0.1)
    assert course.rate_at(9, 0.0) == pytest.approx(1.0)
    assert course.rate_at(500, 0.5) == pytest.approx(0.55)
    assert course.rate_at(999, 1.0) == pytest.approx(0.1)


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    large = trainer_in(tmp_path / "large", brief(steps=1, batch=4, bfloat16=False))
    parts = trainer_in(tmp_path / "parts", brief(steps=1, batch=2, accumulate=2, bfloat16=False))
    sums = [trainer.learner.advance(trainer.feed, 0.0) for trainer in (large, parts)]
    assert float(sums[0]["pixel"]) == pytest.approx(float(sums[1]["pixel"]), rel=1e-5)
    for one, other in zip(large.learner.network.parameters(), parts.learner.network.parameters(), strict=True):
        # Adam's first step has every weight's gradient at its sign alone, so that rounding may turn single ones.
        assert float((one - other).detach().abs().median()) < 1e-6


def test_pool_is_made_once_and_apart_for_other_recipes(tmp_path: Path, faces: Path) -> None:
    settings = DegradationSettings(widths=(WidthBand(40, 50),))
    found = photos.index(faces)

    def filled(seed: int) -> Pool:
        pairs = pool.fill(tmp_path, recipe_of(found, settings, count=3, seed=seed), workers=1, watch=Quiet())
        assert pairs is not None
        return pairs

    first = filled(1)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    assert np.array_equal(first.low, filled(1).low)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")} == made
    assert not np.array_equal(first.low, filled(2).low)


def test_pool_comes_out_the_same_by_many_processes_and_goes_on(
    tmp_path: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "SHARD", 4)
    settings = DegradationSettings(widths=(WidthBand(40, 50),))
    recipe = recipe_of(photos.index(faces), settings, count=10, seed=1)
    calls = itertools.count()
    assert pool.fill(tmp_path / "one", recipe, workers=1, watch=Quiet(wanted=lambda: next(calls) == 2)) is None
    one = pool.fill(tmp_path / "one", recipe, workers=1, watch=Quiet())
    two = pool.fill(tmp_path / "two", recipe, workers=2, watch=Quiet())
    assert one is not None
    assert two is not None
    assert np.array_equal(one.low, two.low)
    assert np.array_equal(one.high, two.high)
    assert all(picture.any() for picture in one.high)


def test_flipped_pairs_are_mirrored_together() -> None:
    feed = feed_of(noise_pool(3))
    low, high = feed.batch(np.array([0, 2]), flipped=np.array([False, True]))
    plain_low, plain_high = feed.batch(np.array([0, 2]))
    assert torch.equal(low[0], plain_low[0])
    assert torch.equal(low[1], plain_low[1].flip(-1))
    assert torch.equal(high[1], plain_high[1].flip(-1))


def test_loss_falls_with_the_error_and_weighs_the_face_more() -> None:
    loss = Loss(64, LossSettings())
    target = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    far, near, none = (loss(target + error, target) for error in (0.2, 0.1, 0.0))
    assert (far > near)[:2].all()
    assert far.sum() > near.sum() > none.sum()
    middle, corner = target.clone(), target.clone()
    middle[..., 28:36, 28:36] += 0.5
    corner[..., :8, :8] += 0.5
    assert loss(middle, target).sum() > 2.0 * loss(corner, target).sum()


def test_a_later_stage_begins_with_the_weights_of_the_one_before(tmp_path: Path, faces: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(CONFIG)
    crisp = replace(load(config), stage="crisp", starts_from="faithful")
    crisp = replace(crisp, optimiser=replace(crisp.optimiser, steps=1, rate=1e-12, weight_decay=0.0))
    task = Task(crisp, photos.index(faces), tmp_path, CPU)
    with pytest.raises(ExpertError, match="train that stage first"):
        run.train(task, Quiet())
    torch.manual_seed(5)
    earlier = SUBJECTS["background"].make()
    for parameter in earlier.parameters():
        torch.nn.init.normal_(parameter, std=0.01)
    export(earlier, run.weights_of(tmp_path, "background", "faithful"), replace(crisp, stage="faithful"))
    run.train(task, Quiet())
    before, after = (run.weights_of(tmp_path, "background", stage) for stage in ("faithful", "crisp"))
    assert {k: v.tolist() for k, v in load_file(before).items()} == {k: v.tolist() for k, v in load_file(after).items()}


def test_one_photograph_is_too_few(tmp_path: Path, faces: Path) -> None:
    with pytest.raises(ExpertError, match="too few"):
        run.train(Task(brief(), photos.index(faces)[:1], tmp_path, CPU), Quiet())


@pytest.mark.parametrize("name", run.STAGES)
def test_shipped_stages_state_everything(name: str) -> None:
    stages = run.shipped_settings(name)
    assert [stage.stage for stage in stages] == list(run.STAGES[name])
    for before, stage in zip([None, *stages], stages, strict=False):
        assert (stage.network, stage.starts_from) == (name, "" if before is None else before.stage)
        assert stage.pairs > 1000
        text = Path(run.__file__).with_name(f"{name}_{stage.stage}.toml").read_text()
        tree = tomllib.loads(text)
        for section in ("optimiser", "losses", "adversary", "run"):
            assert set(tree[section]) == {field.name for field in fields(getattr(stage, section))}, section


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('network = "transformer"\npears = 3', "pears"),
        ('network = "transformer"\n[degradation]\nblurr = [1, 2]', "blurr"),
        ("pairs = 3", "network"),
        ('network = "transformer"\n[degradation]\nwidths = [3]', "widths"),
        ('network = "transfomer"', "did you mean 'transformer'"),
        ("network = ", "as TOML"),
        ('network = "transformer"\n[losses]\nidentiti = 1.0', "did you mean 'identity'"),
        ('network = "transformer"\n[optimiser]\nbatch = 2.5', "batch is of the type int"),
        ('network = "transformer"\n[optimiser]\nbatch = 0', "more than 0"),
        ('network = "transformer"\n[adversary]\nnormalisation = "batch"', "one of spectral, instance, none"),
        ('network = "transformer"\noptimiser = 3', "section"),
        ('network = "transformer"\nheld_out = 0', "held_out"),
        ('network = "transformer"\nstage = "../x"', "stage"),
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
    same = replace(settings, run=RunSettings(threads=7))
    assert len({digest(settings), *map(digest, others)}) == 3
    assert digest(settings) == digest(TrainingSettings("transformer")) == digest(same)
