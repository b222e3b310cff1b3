"""The report counts what happened, and both its forms tell the same."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from experts.contract import ExpertInfo
from routing.types import Box, Face, Lane, Route, Traits
from streamer.errors import OutputExistsError
from streamer.frame import FrameReport, Judged
from streamer.guarding import HELD_BACK
from streamer.media.target import Target
from streamer.report import RunFacts, RunTally, compose_report, print_table, write_report

FACTS = RunFacts(
    version="1",
    source={"path": "a.mp4"},
    encoder="libx264",
    outputs=["b.mp4"],
    wall_seconds=4.0,
    frames_in=3,
    frames_out=2,
    dropped={"late": 1},
    input_fps=30.0,
    av_sync_ms=-1.5,
    experts={"transformer": ExpertInfo("t", 8, 2, "w@0123", "MIT", "cpu", "openvino", "bfloat16")},
    detector={"id": "mtcnn"},
    settings={"scale": 2},
    source_counters={"corrupt_packets": 0},
    notes=["note"],
    damaged=None,
    output_pixels_percent=400.0,
)

SPENT = {"detect": 0.010, "align": 0.001, "expert.transformer": 0.004}


def route(lane: Lane, track_id: int, reason: str) -> Route:
    face = Face(track_id, Box(0, 0, 9, 9), np.zeros((5, 2), np.float32), 1.0)
    return Route(face, Traits(9.0, 1.0), lane, reason)


def tally() -> RunTally:
    told = RunTally()
    routes = (route(Lane.TRANSFORMER, 1, "small"), route(Lane.SKIP, 2, "tiny"))
    told.add(FrameReport(0, SPENT, routes, batches={"transformer": 1}))
    fading = replace(route(Lane.TRANSFORMER, 1, "fading"), fading=True)
    told.add(FrameReport(1, {"track": 0.002}, (route(Lane.SKIP, 1, "tiny"), fading), ("expert transformer failed",)))
    told.likeness.add(Judged((("transformer", 0.96), ("transformer", 0.913)), lowered=1, unjudged=2))
    told.add_stage("decode", 0.003)
    return told


def test_the_report_counts_frames_faces_tracks_and_reasons() -> None:
    report = compose_report(tally(), FACTS)
    assert report["frames"] == {"in": 3, "out": 2, "dropped": 1, "dropped_by_reason": {"late": 1}}
    assert report["faces"] == {
        "seen": 3,
        "tracks": 2,
        "by_lane": {"skip": 2, "resize": 0, "transformer": 1, "frequency": 0},
        "tracks_by_lane": {"skip": 2, "resize": 0, "transformer": 1, "frequency": 0},
        "by_reason": {"skip: tiny": 2, "transformer: small": 1},
        "batches_by_size": {"transformer": {1: 1}},
    }
    assert report["degraded"] == {"expert transformer failed": 1}
    assert report["stages_ms"]["detect"]["p50"] == pytest.approx(10.0, rel=0.01)


def test_the_fields_figures_follow_their_definitions() -> None:
    timing = compose_report(tally(), FACTS)["timing"]
    assert timing["fps"] == 0.5
    assert timing["frame_rate_ratio"] == 60.0
    assert timing["processing_ms_per_frame"] == 2000.0
    assert timing["audio_visual_sync_ms"] == -1.5


def test_identity_is_told_by_lane_with_what_the_guard_did() -> None:
    told = tally()
    told.degraded[HELD_BACK] = 7
    report = compose_report(told, replace(FACTS, judge={"id": "dlib", "threshold": 0.92}))
    assert report["identity"] == {
        "judge": {"id": "dlib", "threshold": 0.92},
        "by_lane": {
            "transformer": {
                "judged": 2,
                "mean": 0.9365,
                "least": 0.913,
                "histogram": {"0.90": 1, "0.96": 1},
            }
        },
        "unjudged": 2,
        "guard": {"lowered": 1, "raised": 0, "faces_held_back": 7},
    }
    console = Console(width=120, record=True, file=io.StringIO())
    print_table(report, console)
    assert "transformer 0.936 (2 judged, least 0.913); 7 faces held back" in console.export_text()


def test_a_run_without_a_judge_says_that_identity_was_not_measured() -> None:
    report = compose_report(tally(), FACTS)
    assert report["identity"]["judge"] is None
    assert "not measured" in report["identity"]["note"]


def test_overhead_is_what_is_neither_decoding_inference_scaling_blending_nor_encoding() -> None:
    assert compose_report(tally(), FACTS)["overhead_share"] == pytest.approx(1 / 20, abs=1e-4)


def test_an_input_without_a_rate_has_no_ratio() -> None:
    assert compose_report(tally(), replace(FACTS, input_fps=None))["timing"]["frame_rate_ratio"] is None


def test_the_report_is_written_whole_or_not(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report = compose_report(tally(), FACTS)
    target = Target(path, source=tmp_path / "film", overwrite=False)
    assert not path.exists()
    write_report(report, target)
    assert json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(report))
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]
    with pytest.raises(OutputExistsError, match="--overwrite"):
        Target(path, source=tmp_path / "film", overwrite=False)


def test_the_table_tells_the_same() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    print_table(compose_report(tally(), FACTS), console)
    told = console.export_text()
    for words in (
        "3 in, 2 out, 1 dropped",
        "skip: tiny",
        "-1.5 ms",
        "expert transformer failed (1)",
        "w@0123",
        "5.0 %",
    ):
        assert words in told
