"""Slates: the last picture dimmed, with words; and what is told of pictures."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from routing.types import Lane
from streamer.color import ColorSpec
from streamer.frame import Judged, Verdict
from streamer.live.facts import PictureFacts
from streamer.live.handover import Shown
from streamer.live.ports import Cause, SourceState, SourceStatus
from streamer.live.slate import Slate, slate_words
from tests.helpers.metered import report, route
from tests.helpers.pictures import frame, halved

MESSAGE = "Name or password wrong: trying again"


def shown(height: int, width: int, color: ColorSpec | None = None) -> Shown:
    whole = frame(77, height, width, color=color)
    return Shown(whole, halved(whole), PictureFacts(77, whole.captured_at))


@pytest.mark.parametrize(("height", "width"), [(720, 1280), (361, 203), (96, 2000), (16, 16), (1, 1)])
@pytest.mark.parametrize("color", [ColorSpec(), ColorSpec("bt709", full_range=True)])
def test_keeps_size_and_colour_and_leaves_the_picture_as_it_was(height: int, width: int, color: ColorSpec) -> None:
    last = shown(height, width, color) if min(height, width) > 16 else small(height, width, color)
    before = [plane.copy() for plane in last.enhanced.planes]
    made = Slate().picture(last, MESSAGE)
    assert made.enhanced.y.shape == (height, width)
    assert made.enhanced.color == made.original.color == color
    assert made.original.y.shape == last.original.y.shape
    assert made.facts.seq == last.facts.seq
    for plane, kept in zip(last.enhanced.planes, before, strict=True):
        np.testing.assert_array_equal(plane, kept)


def small(height: int, width: int, color: ColorSpec) -> Shown:
    whole = frame(0, 64, 64, color=color)
    half = slice(0, (height + 1) // 2), slice(0, (width + 1) // 2)
    cut = replace(whole, y=whole.y[:height, :width], u=whole.u[half], v=whole.v[half])
    return Shown(cut, cut, PictureFacts(0, 0.0))


def test_dims_around_a_dark_band_with_bright_words_in_its_middle() -> None:
    last = shown(360, 640)
    luma = Slate().picture(last, MESSAGE).enhanced.y.astype(int)
    dimmed = 16 + 0.35 * (last.enhanced.y[:140].astype(float) - 16)
    assert np.abs(luma[:140] - dimmed).max() <= 0.5
    letters = np.argwhere(luma > 200)
    assert len(letters) > 500
    top, left = letters.min(0)
    bottom, right = letters.max(0)
    # In the middle, by eye: what hangs below the line is no part of a letter's height.
    assert abs((left + right) / 2 - 320) < 4
    assert abs((top + bottom) / 2 - 180) < 6
    assert right - left > 250


@pytest.mark.parametrize("state", SourceState)
@pytest.mark.parametrize("cause", Cause)
def test_the_words_of_every_status_fit_on_one_line(state: SourceState, cause: Cause) -> None:
    words = slate_words(SourceStatus(state, cause, "rtsp://camera.example/door refused: is it on?"))
    assert "camera.example" not in words
    luma = Slate().picture(None, words).enhanced.y.astype(int)
    letters = np.argwhere(luma > 200)
    assert np.ptp(letters[:, 0]) < 40
    assert letters[:, 1].min() > 4
    assert letters[:, 1].max() < 635


def test_the_words_tell_the_cause_where_there_is_one() -> None:
    assert slate_words(SourceStatus(SourceState.RETRYING, Cause.REFUSED)) == "Connection refused: trying again"
    assert slate_words(SourceStatus(SourceState.FAILED, Cause.NOT_FOUND)) == "Nothing at this address"
    assert slate_words(SourceStatus(SourceState.RETRYING, Cause.OTHER)) == "Trying again"
    assert slate_words(SourceStatus(SourceState.WAITING, Cause.CLOSED)) == "Waiting for a publisher"


def test_long_messages_take_more_lines_and_stay_inside() -> None:
    luma = Slate().picture(None, " ".join([MESSAGE] * 3)).enhanced.y.astype(int)
    letters = np.argwhere(luma > 200)
    assert letters[:, 1].min() > 4
    assert letters[:, 1].max() < 635
    assert np.ptp(letters[:, 0]) > 40


def test_is_made_once_as_long_as_it_serves() -> None:
    slate, last = Slate(), shown(96, 128)
    first = slate.picture(last, "one")
    assert slate.picture(last, "one") is first
    assert slate.picture(last, "two") is not first
    assert slate.picture(None, "two").enhanced.y.shape == (360, 640)


def test_facts_tell_faces_as_shares_of_the_picture() -> None:
    source = frame(3, 160, 320)
    made = PictureFacts.of(
        report(route(), route(Lane.RESIZE, fading=True)), source, effort="two_faces", extra_seconds={"queue": 0.004}
    )
    told = json.loads(json.dumps(made.as_json(later_ms={"encode": 3.21987})))
    assert (told["seq"], told["effort"], told["captured_ms"]) == (3, "two_faces", round(1000 * source.captured_at, 1))
    assert (told["stages_ms"]["queue"], told["stages_ms"]["encode"]) == (4.0, 3.22)
    assert told["stages_ms"]["expert.transformer"] == 12.0
    assert told["faces"] == [
        {
            "track": 1, "box": [0.0, 0.0, 0.25, 0.5], "lane": "transformer", "reason": "50 to 100 px",
            "width_px": 80.0, "strength": 1.0, "similarity": None,
        }
    ]  # fmt: skip


def test_facts_tell_what_a_judge_said_of_a_restored_face() -> None:
    judged = Judged(verdicts={1: Verdict(0.87654, share=0.5), 2: Verdict(0.9, share=1.0)})
    known = replace(report(route(), route(Lane.SKIP)), identity=judged)
    restored, skipped = PictureFacts.of(known, frame(0, 160, 320)).as_json()["faces"]
    assert (restored["similarity"], restored["strength"]) == (0.877, 0.5)
    assert skipped["similarity"] is None
