"""A background by a network of RGB: colours stay, little effort is the kernel's, and one word chooses it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
import torch

from blending.blender import BlendSettings, make_blender
from experts.background import BackgroundSettings, load_network, make_background
from experts.own_models import load_upscaler
from routing.router import Routing
from streamer.cli import main
from streamer.color import ColorSpec, from_rgb
from streamer.effort import Effort
from streamer.frame import Frame
from streamer.pipeline import Pipeline
from tests.helpers.clips import natural
from tests.helpers.films import SourceMaker, frames_of
from tests.helpers.torchvision_here import make_importable
from weights.session import RuntimeSettings
from weights.store import Store

Image = npt.NDArray[np.uint8]
CPU = RuntimeSettings(device="cpu", precision="float32")
SPECS = (ColorSpec(), ColorSpec("bt709"), ColorSpec("bt709", full_range=True), ColorSpec("bt2020"))


@pytest.fixture(scope="module")
def repeater(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repeater_of(3, tmp_path_factory.mktemp("own") / "repeater.pth")


def repeater_of(channels: int, path: Path) -> Path:
    """A real network of spandrel's, whose correction is nothing: four times by repeating pixels."""
    make_importable()
    from spandrel.architectures.Compact import Compact

    torch.manual_seed(1)
    network = Compact(num_in_ch=channels, num_out_ch=channels, num_feat=8, num_conv=1, upscale=4)
    with torch.no_grad():
        network.body[-1].weight.zero_()
        network.body[-1].bias.zero_()
    torch.save({"params": network.state_dict()}, path)
    return path


class NoFaces:
    def route(
        self, image: Image, *, seconds: float, most: int | None = None, detect_every: int | None = None
    ) -> Routing:
        return Routing((), {"detect": 0.0})


def frame_of(image: Image, color: ColorSpec) -> Frame:
    y, u, v = from_rgb(image, color)
    return Frame(y, u, v, color, seq=0, pts=0, time_base=Fraction(1, 25), captured_at=time.monotonic())


def pipeline_of(path: Path, scale: int, *, mark: bool = False) -> Pipeline:
    settings = BackgroundSettings(method=str(path))
    background = make_background(settings, scale, load_upscaler(str(path), CPU))
    return Pipeline(NoFaces(), {}, background, make_blender(BlendSettings("feather")), scale=scale, mark=mark)


def planes(frame: Frame) -> Sequence[Image]:
    return frame.y, frame.u, frame.v


@pytest.mark.parametrize("color", SPECS, ids=str)
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_a_flat_picture_keeps_its_colour(color: ColorSpec, scale: int, repeater: Path) -> None:
    frame = frame_of(np.full((35, 47, 3), (190, 110, 60), np.uint8), color)
    made = pipeline_of(repeater, scale).process(frame).frame
    assert (made.height, made.width, made.color) == (35 * scale, 47 * scale, color)
    for before, after in zip(planes(frame), planes(made), strict=True):
        assert np.abs(after.astype(int) - int(before[0, 0])).max() <= 1


def test_colours_stay_where_they_are(repeater: Path) -> None:
    frame = frame_of(np.asarray(natural(60, 80), np.uint8), ColorSpec("bt709"))
    pipeline = pipeline_of(repeater, 2)
    made = pipeline.process(frame)
    light = pipeline.process(frame, Effort("less", light_background=True))
    assert (made.report.learned_background, light.report.learned_background) == (True, False)
    for learned, plain in zip(planes(made.frame), planes(light.frame), strict=True):
        difference = learned.astype(float) - plain
        assert abs(difference.mean()) < 0.3
        # Repeated pixels against a kernel's, of a soft picture.
        assert np.abs(difference).mean() < 3.0


def test_what_is_drawn_over_new_luma_leaves_the_frames_own_chroma_alone(tmp_path: Path) -> None:
    frame = frame_of(np.full((64, 96, 3), (190, 110, 60), np.uint8), ColorSpec())
    before = [plane.copy() for plane in planes(frame)]
    made = pipeline_of(repeater_of(1, tmp_path / "grey.pth"), 1, mark=True).process(frame).frame
    assert (made.u != before[1]).any()
    for plane, own in zip(planes(frame), before, strict=True):
        np.testing.assert_array_equal(plane, own)


def test_little_effort_is_the_kernels_own(repeater: Path, store: Store) -> None:
    frame = frame_of(np.asarray(natural(60, 80), np.uint8), ColorSpec())
    light = pipeline_of(repeater, 2).process(frame, Effort("less", light_background=True)).frame
    plain = make_background(BackgroundSettings(), 2, load_network(BackgroundSettings(), store, CPU))
    bicubic = Pipeline(NoFaces(), {}, plain, make_blender(BlendSettings("feather")), scale=2).process(frame).frame
    for one, other in zip(planes(light), planes(bicubic), strict=True):
        np.testing.assert_array_equal(one, other)


def test_one_word_chooses_it_for_a_film(repeater: Path, tmp_path: Path) -> None:
    film, told = tmp_path / "plain.mkv", tmp_path / "report.json"
    SourceMaker(film, [0, 40, 80], Fraction(1, 1000)).write()
    outputs = {name: tmp_path / f"{Path(name).stem}.mkv" for name in ("bicubic", str(repeater))}
    for name, output in outputs.items():
        words = ["--quiet", "--codec", "ffv1", "--quality", "0", "--overwrite", "--report", str(told)]
        assert main(["process", str(film), str(output), "--background", name, *words]) == 0
    info = json.loads(told.read_text(encoding="utf-8"))["experts"]["background"]
    assert (info["id"], info["runtime"]) == ("repeater", "torch")
    assert info["licence"] == "licence of repeater.pth: unknown, see its author"
    with av.open(str(outputs[str(repeater)])) as film_made:
        comment = {key.lower(): value for key, value in film_made.metadata.items()}["comment"]
    # Where somebody's files lie is nobody's business.
    assert "; background: repeater (repeater.pth@" in comment
    assert str(repeater.parent) not in comment
    plain, learned = (list(frames_of(output)) for output in outputs.values())
    assert len(plain) == len(learned) == 3
    for one, other in zip(plain, learned, strict=True):
        assert one.y.shape == other.y.shape
        for kernel, network in zip(planes(one), planes(other), strict=True):
            assert abs(float(kernel.mean()) - float(network.mean())) < 1.0


def test_an_unknown_word_is_answered_with_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = tmp_path / "plain.mkv"
    SourceMaker(film, [0, 40, 80], Fraction(1, 1000)).write()
    words = ["process", str(film), str(tmp_path / "out.mp4"), "--background", "realesrgan-4xplus"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "did you mean 'realesrgan-x4plus'? Known: bicubic" in said
    assert "by --background" in said
