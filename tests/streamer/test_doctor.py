from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

from streamer.doctor import Finding, State, can_process, examine, main_table, render
from weights.session import RuntimeSettings
from weights.store import Store, StoreSettings


@pytest.fixture(scope="module")
def findings(store: Store) -> dict[str, Finding]:
    store.find("mtcnn-pnet")
    return {finding.name: finding for finding in examine(RuntimeSettings(device="cpu"))}


def test_what_the_tests_run_with_is_found(findings: dict[str, Finding]) -> None:
    for name in ("torch", "openvino", "av", "ffmpeg", "as set", "torch float32", "mtcnn-pnet", "decoders", "h264"):
        assert findings[name].state is State.GOOD, findings[name]
    assert findings["torch"].value == torch.__version__


def test_whatever_is_not_good_comes_with_advice(findings: dict[str, Finding], tmp_path: Path) -> None:
    poor = examine(RuntimeSettings(device="cpu"), StoreSettings(folder=tmp_path, offline=True))
    for finding in (*findings.values(), *poor):
        assert finding.state is State.GOOD or finding.advice or finding.topic == "runtimes", finding


def test_absent_weights_matter_only_where_they_cannot_be_fetched(tmp_path: Path) -> None:
    states = {}
    for offline in (False, True):
        found = examine(RuntimeSettings(device="cpu"), StoreSettings(folder=tmp_path, offline=offline))
        states[offline] = next(finding for finding in found if finding.name == "mtcnn-pnet").state
        assert list(tmp_path.iterdir()) == []
    assert states == {False: State.NOTE, True: State.BAD}


def test_a_runtime_that_is_set_and_not_there_keeps_the_job_from_running() -> None:
    if torch.cuda.is_available():
        settings = RuntimeSettings(device="cuda", runtime="openvino")
    else:
        settings = RuntimeSettings(device="cuda")
    found = {finding.name: finding for finding in examine(settings)}
    assert found["as set"].state is State.BAD
    assert not can_process(list(found.values()))


def test_the_table_shows_each_finding_and_the_advice_below() -> None:
    said = io.StringIO()
    render(
        [
            Finding("codecs", "h264", State.GOOD, "libx264"),
            Finding("codecs", "av1", State.NOTE, "no [encoder]", "install it"),
        ],
        Console(file=said, width=80),
    )
    lines = said.getvalue().splitlines()
    assert lines[1].split() == ["codecs", "h264", "ok", "libx264"]
    assert "no [encoder]" in lines[2]
    assert lines[3] == "av1: install it"


def test_the_exit_code_says_whether_the_main_job_can_run(tmp_path: Path) -> None:
    quiet = Console(file=io.StringIO())
    assert main_table(quiet, weights=StoreSettings(folder=tmp_path, offline=True)) == 1
