"""Pictures and sound of a publisher become a live source's."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import av
import numpy as np
import pytest

from streamer.frame import Frame
from streamer.live.ports import SoundPacket, SourceState, SourceStatus
from streamer.live.published import PublishedSource
from tests.helpers.living import until
from tests.helpers.rtsp import numbered, read_number
from web.feeds import LostPackets, NameTakenError

DECODING = 0.5
"""Seconds, as the decoder before tells of them."""


class Heard:
    """An inlet that keeps all."""

    def __init__(self, *, slow_seconds: float = 0.0) -> None:
        self._slow_seconds = slow_seconds
        self.frames: list[Frame] = []
        self.sounds: list[SoundPacket] = []
        self.states: list[SourceStatus] = []
        self.drops: Counter[str] = Counter()
        self.packets: Counter[str] = Counter()
        self.decode_seconds: list[float] = []

    def picture(self, frame: Frame, *, decode_seconds: float) -> None:
        self.decode_seconds.append(decode_seconds)
        self.frames.append(frame)
        time.sleep(self._slow_seconds)

    def sound(self, packet: SoundPacket) -> None:
        self.sounds.append(packet)

    def status(self, status: SourceStatus) -> None:
        self.states.append(status)

    def dropped(self, reason: str, count: int = 1) -> None:
        self.drops[reason] += count

    def mended(self, what: str, count: int = 1) -> None:
        raise AssertionError("a publisher's times need no mending")

    def packets_lost(self, kind: LostPackets, count: int = 1) -> None:
        self.packets[kind] += count


def picture(number: int, *, width: int = 128, height: int = 96) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(numbered(number, height=height, width=width), format="yuv420p")


def test_pictures_become_frames_in_order_whatever_their_size() -> None:
    async def main() -> None:
        heard, source = Heard(), PublishedSource("me")
        source.start(heard)
        publication = source.open()
        now = time.monotonic()
        for number in range(6):
            width = 128 if number < 3 else 192
            publication.picture(
                picture(number, width=width),
                media_seconds=number / 25,
                arrived_at=now + number / 25 + 0.001 * number,
                decode_seconds=DECODING,
            )
            await until(lambda: len(heard.frames) > number)  # noqa: B023
        await source.aclose()
        assert [read_number(frame.y) for frame in heard.frames] == list(range(6))
        assert [frame.width for frame in heard.frames] == [128] * 3 + [192] * 3
        steps = np.diff([frame.captured_at for frame in heard.frames])
        assert np.allclose(steps, 0.04, atol=0.001)

    asyncio.run(main())


def test_sound_is_untouched_and_on_the_pictures_clock() -> None:
    async def main() -> None:
        heard, source = Heard(), PublishedSource("me")
        source.start(heard)
        publication = source.open()
        now = time.monotonic()
        publication.picture(picture(0), media_seconds=7.0, arrived_at=now, decode_seconds=DECODING)
        publication.sound(b"opus", samples=960, media_seconds=7.02, arrived_at=now + 0.05)
        await until(lambda: len(heard.frames) == 1)
        await source.aclose()
        assert source.has_sound
        assert (heard.sounds[0].data, heard.sounds[0].samples) == (b"opus", 960)
        assert heard.sounds[0].captured_at - heard.frames[0].captured_at == pytest.approx(0.02)

    asyncio.run(main())


def test_one_publisher_at_a_time_and_its_coming_and_going_is_told() -> None:
    async def main() -> None:
        left: list[int] = []
        heard, source = Heard(), PublishedSource("me", on_left=lambda: left.append(1))
        source.start(heard)
        first = source.open()
        with pytest.raises(NameTakenError, match="already"):
            source.open()
        first.picture(picture(0), media_seconds=0, arrived_at=time.monotonic(), decode_seconds=DECODING)
        first.lost("undecodable", 3)
        first.packets_lost("sound", 5)
        await until(lambda: len(heard.frames) == 1)
        first.close()
        first.close()
        second = source.open()
        # Whoever left is heard no more, nor can it end another's publication.
        first.picture(picture(1), media_seconds=1, arrived_at=time.monotonic(), decode_seconds=DECODING)
        first.sound(b"x", samples=960, media_seconds=1, arrived_at=time.monotonic())
        first.lost("undecodable", 3)
        first.packets_lost("sound", 5)
        first.close()
        assert source.is_taken
        second.close()
        await source.aclose()
        assert len(heard.frames) == 1
        assert heard.sounds == []
        assert left == [1, 1]
        assert heard.drops == {"undecodable": 3}
        assert heard.packets == {"sound": 5}
        assert heard.decode_seconds[0] > DECODING
        states = [status.state for status in heard.states]
        waiting, connecting, live = SourceState.WAITING, SourceState.CONNECTING, SourceState.LIVE
        assert states == [waiting, connecting, live, waiting, connecting, waiting]
        assert "left" in heard.states[3].message

    asyncio.run(main())


def test_what_cannot_be_kept_up_with_is_dropped_and_the_newest_wins() -> None:
    async def main() -> None:
        heard, source = Heard(slow_seconds=0.05), PublishedSource("me")
        source.start(heard)
        publication = source.open()
        now = time.monotonic()
        for number in range(40):
            publication.picture(
                picture(number), media_seconds=number / 100, arrived_at=now + number / 100, decode_seconds=DECODING
            )
            await asyncio.sleep(0.005)
        await until(lambda: len(heard.frames) + heard.drops["catching_up"] == 40)
        await source.aclose()
        numbers = [read_number(frame.y) for frame in heard.frames]
        assert heard.drops["catching_up"] >= 20
        assert numbers[-1] == 39
        assert numbers == sorted(numbers, key=lambda number: number or 0)

    asyncio.run(main())


def test_a_picture_of_no_use_is_counted_and_the_next_one_comes(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        heard, source = Heard(), PublishedSource("me")
        source.start(heard)
        publication = source.open()
        for number in range(2):
            odd = av.VideoFrame.from_ndarray(np.zeros((96, 128), np.float32), format="grayf32le")
            publication.picture(odd, media_seconds=number / 25, arrived_at=time.monotonic(), decode_seconds=DECODING)
            await until(lambda: heard.drops["undecodable"] == number + 1)  # noqa: B023
        publication.picture(picture(3), media_seconds=0.1, arrived_at=time.monotonic(), decode_seconds=DECODING)
        await until(lambda: len(heard.frames) == 1)
        await source.aclose()

    asyncio.run(main())
    assert caplog.text.count("can't be used") == 1


def test_it_ends_in_every_state() -> None:
    async def main() -> None:
        await PublishedSource("never started").aclose()
        source = PublishedSource("me")
        source.start(Heard())
        publication = source.open()
        await source.aclose()
        await source.aclose()
        publication.picture(picture(0), media_seconds=0, arrived_at=time.monotonic(), decode_seconds=DECODING)
        publication.close()
        with pytest.raises(NameTakenError):
            source.open()

    asyncio.run(main())
