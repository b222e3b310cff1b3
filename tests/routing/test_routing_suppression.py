"""Suppression of overlapping boxes."""

from __future__ import annotations

import numpy as np
import pytest

from routing.suppression import suppress, suppress_by_group, suppress_nested

BOXES = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [40, 0, 50, 10], [3, 3, 6, 6]], np.float32)
SCORES = np.array([0.8, 0.9, 0.7, 0.95], np.float32)


def test_the_better_of_two_stays_and_the_best_comes_first() -> None:
    assert suppress(BOXES, SCORES, overlap=0.5).tolist() == [3, 1, 2]


@pytest.mark.parametrize(("overlap", "kept"), [(0.80, 3), (0.83, 4)])
def test_the_share_is_of_the_union(overlap: float, kept: int) -> None:
    assert len(suppress(BOXES, SCORES, overlap=overlap)) == kept  # 9 of 11 columns are shared: 0.818


def test_a_box_inside_another_goes_whatever_its_size() -> None:
    scores = np.array([0.8, 0.9, 0.7, 0.5], np.float32)
    assert suppress_nested(BOXES, scores, overlap=0.7).tolist() == [1, 2]


def test_groups_leave_each_other_alone() -> None:
    groups = np.array([0, 1, 0, 0], np.int32)
    assert sorted(suppress_by_group(BOXES, SCORES, groups, overlap=0.5).tolist()) == [0, 1, 2, 3]


def test_no_boxes_are_no_boxes() -> None:
    none, no_scores = np.empty((0, 4), np.float32), np.empty(0, np.float32)
    assert suppress(none, no_scores, overlap=0.5).size == 0
    assert suppress_nested(none, no_scores, overlap=0.5).size == 0
