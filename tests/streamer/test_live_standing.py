from __future__ import annotations

import time

from streamer.live.arrivals import Arrivals
from streamer.live.ports import Cause, SourceState, SourceStatus
from streamer.live.standing import Standing

LIVE = SourceStatus(SourceState.LIVE)
GONE = SourceStatus(SourceState.RETRYING, Cause.REFUSED, "refused: is the camera on?", 5.0)


def state_of(standing: Standing) -> SourceState:
    return standing.status.state


def test_a_live_source_without_pictures_has_stalled_until_one_comes() -> None:
    standing = Standing(wait_seconds=0.05)
    standing.tell(LIVE)
    assert not standing.look()
    assert state_of(standing) is SourceState.LIVE
    time.sleep(0.06)
    assert standing.look()
    assert not standing.look()
    assert state_of(standing) is SourceState.STALLED
    assert "no pictures" in standing.status.message
    assert standing.is_connected
    standing.pictured()
    assert standing.look()
    assert state_of(standing) is SourceState.LIVE


def test_only_what_was_live_and_lost_is_back() -> None:
    standing = Standing(wait_seconds=1)
    assert not standing.tell(LIVE).is_back
    assert not standing.tell(SourceStatus(SourceState.STALLED)).is_back
    assert not standing.tell(LIVE).is_back
    assert standing.tell(GONE).is_new
    assert not standing.tell(GONE).is_new
    assert standing.tell(LIVE).is_back
    assert not standing.tell(LIVE).is_back


def test_it_says_how_the_source_stands_and_for_how_long() -> None:
    standing = Standing(wait_seconds=1)
    assert standing.status.message == "Connecting to the source"
    time.sleep(0.02)
    standing.tell(GONE)
    assert standing.seconds < 0.02
    assert standing.status == GONE
    assert not standing.is_connected
    assert standing.tell(SourceStatus(SourceState.WAITING)).is_new
    assert standing.status.message == "Waiting for somebody to publish"


def test_arrivals_tell_the_rate_and_what_is_usual() -> None:
    arrivals = Arrivals()
    assert arrivals.interval == 0.04
    for number in range(100):
        if number % 10:
            arrivals.add(10 + number / 50, 10.3 + number / 50 + 0.02 * (number % 3))
    assert abs(arrivals.interval - 0.02) < 1e-6
    assert abs(arrivals.usual_age - 0.3) < 1e-6


def test_a_pause_or_a_jump_is_no_interval() -> None:
    arrivals = Arrivals()
    for at in (0.0, 0.1, 0.2, 60.0, 60.1, 60.2, 5.0, 5.1, 5.2):
        arrivals.add(at, at)
    assert abs(arrivals.interval - 0.1) < 1e-6
