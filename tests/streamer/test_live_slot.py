from __future__ import annotations

import threading

from streamer.live.slot import LatestSlot


def test_the_newest_wins_and_the_others_are_counted() -> None:
    slot = LatestSlot[int]()
    assert not slot
    assert slot.take() is None
    assert slot.put(1) is None
    assert slot.put(2) == 1
    assert slot
    assert slot.take() == 2
    assert slot.take() is None
    assert slot.superseded == 1


def test_every_item_is_taken_or_superseded_whatever_threads_do() -> None:
    slot = LatestSlot[int]()
    taken: list[int] = []
    done = threading.Event()

    def take() -> None:
        while not done.is_set() or slot:
            item = slot.take()
            if item is not None:
                taken.append(item)

    taker = threading.Thread(target=take)
    taker.start()
    for number in range(20_000):
        slot.put(number)
    done.set()
    taker.join()
    assert len(taken) + slot.superseded == 20_000
    assert taken == sorted(taken)
    assert taken[-1] == 19_999
