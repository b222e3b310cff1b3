"""One expert for every face: a film through `--expert gfpgan`, with a small network of random weights."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from routing.types import Lane
from streamer.cli import main
from streamer.config import load_settings
from streamer.machinery import load_models, routing_of
from tests.helpers.films import frames_of, talking_head
from tests.helpers.gfpgan import save_checkpoint, small_network
from weights.store import Store

FRAMES = 4


@pytest.fixture(scope="module")
def film(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real talking head, enlarged until its face is wider than any that the lanes restore."""
    return talking_head(store, tmp_path_factory.mktemp("film") / "large.mkv", times=4, frames=FRAMES)


@pytest.fixture(scope="module")
def settings_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gfpgan")
    weights = save_checkpoint(small_network("1.4"), folder / "random.pth")
    path = folder / "facelane.toml"
    path.write_text(f'[runtime]\nthreads = 1\n[experts.gfpgan]\nversion = "1.4"\nfile = "{weights}"\n')
    return path


def test_a_large_face_goes_through_it_and_no_seam_shows_round_the_nonsense(
    film: Path, settings_file: Path, tmp_path: Path
) -> None:
    output, told = tmp_path / "out.mkv", tmp_path / "report.json"
    words = ["--expert", "gfpgan", "--scale", "1", "--codec", "ffv1", "--compare", "--quiet"]
    assert main(["process", str(film), str(output), *words, "--config", str(settings_file), "--report", str(told)]) == 0
    report = json.loads(told.read_text(encoding="utf-8"))
    assert report["faces"]["by_lane"] == {"skip": 0, "resize": 0, "transformer": FRAMES, "frequency": 0}
    assert report["faces"]["by_reason"] == {"transformer: 50 px or wider": FRAMES}
    assert report["degraded"] == {}
    assert {info["id"] for info in report["experts"].values()} == {"gfpgan"}
    assert report["experts"]["transformer"]["weights"].startswith("random.pth@")
    for result, scaled in zip(frames_of(output), frames_of(tmp_path / "out.baseline.mkv"), strict=True):
        change = np.abs(result.y.astype(int) - scaled.y)
        assert change.max() > 60
        assert 0.05 < (change > 0).mean() < 0.6
        # Next to what is the source's bit for bit, the change has only begun.
        labels = cv2.connectedComponents(np.asarray(change == 0, np.uint8))[1]
        outside = np.asarray(labels == labels[0, 0], np.uint8)
        border = change[cv2.dilate(outside, np.ones((7, 7), np.uint8)) > outside]
        assert border.size > 500
        assert border.mean() < 0.2 * change[change > 0].mean()


def test_it_is_loaded_once_and_every_face_is_its(store: Store) -> None:
    settings = load_settings(None, environment={}, overrides={"experts": {"every": "resize", "every_strength": 0.5}})
    models = load_models(settings, store)
    assert set(models.lanes) == {Lane.TRANSFORMER, Lane.FREQUENCY}
    assert len(models.experts) == 1
    assert {work.strength for work in models.lanes.values()} == {0.5}
    assert routing_of(settings).gate.skip_below_px == settings.routing.gate.skip_below_px
    plain = load_settings(None, environment={}, overrides={"experts": {"transformer": "resize", "frequency": "resize"}})
    assert len(load_models(plain, store).experts) == 1
    assert routing_of(plain) == plain.routing
