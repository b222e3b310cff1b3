from __future__ import annotations

import time

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
    assert not standing.is_lost
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
    assert standing.is_lost
    assert standing.tell(SourceStatus(SourceState.WAITING)).is_new
    assert standing.status.message == "Waiting for somebody to publish"
