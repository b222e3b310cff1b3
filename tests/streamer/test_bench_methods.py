"""The experts of the bench: at the fidelity of the settings, at 1, and with other files in the place of the shipped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from experts.catalog import WEIGHTS, ExpertSettings
from routing.types import Lane
from streamer.bench_methods import Candidate, faithful_expert
from streamer.benchmarks import BenchJob
from streamer.config import Settings
from streamer.errors import UsageError
from weights.store import Store

SETTINGS = Settings(experts=ExpertSettings(fidelity=0.25))


@pytest.fixture
def candidate(store: Store) -> Candidate:
    """The shipped files, as if they were new ones."""
    pair = WEIGHTS["transformer"]
    return Candidate(store.find(pair.faithful), store.find(pair.crisp))


def test_the_faithful_are_so_whatever_the_settings_say(store: Store, candidate: Candidate) -> None:
    shipped = faithful_expert(Lane.TRANSFORMER, {}, SETTINGS, store)
    assert shipped.info.weights == store.entry("facelane-transformer").digest
    tried = faithful_expert(Lane.TRANSFORMER, {Lane.TRANSFORMER: candidate}, SETTINGS, store)
    assert tried.info.weights == candidate.file.name


def test_files_that_are_tried_are_mixed_or_taken_as_they_are(candidate: Candidate) -> None:
    both = candidate.expert("transformer", SETTINGS, 0.25)
    assert (
        both.info.weights == "facelane-transformer.safetensors + facelane-transformer-crisp.safetensors, fidelity 0.25"
    )
    alone = replace(candidate, crisp=None).expert("transformer", SETTINGS, 0.25)
    assert alone.info.weights == "facelane-transformer.safetensors"


def test_a_crisp_file_wants_the_faithful_one(tmp_path: Path) -> None:
    (tmp_path / "crisp").touch()
    with pytest.raises(UsageError, match=r"--frequency-crisp goes with .*: add --frequency"):
        BenchJob([tmp_path], tmp_path, frequency_crisp=tmp_path / "crisp")
    with pytest.raises(UsageError, match=r"--transformer-crisp .*none is no file"):
        BenchJob([tmp_path], tmp_path, transformer_crisp=tmp_path / "none")


def test_an_expert_for_the_lane_that_learned_nothing_has_no_fidelity(store: Store) -> None:
    settings = Settings(experts=ExpertSettings(frequency="resize"))
    assert faithful_expert(Lane.FREQUENCY, {}, settings, store).info.weights == "none"
