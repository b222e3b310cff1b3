"""Sound leaves with the picture of its moment, untouched, on a clock that always rises."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext

from streamer.live.ports import SoundPacket
from streamer.live.soundtrack import LEAD_SECONDS, Delay, SoundClock
from tests.helpers.broadcasting import PATIENCE, OnAir, on_air
from tests.helpers.pictures import frame, is_rising
from web.feeds import EncodedSound, Viewing

PACKET = 960
STEP = 0.02


def opus_packets(count: int) -> list[bytes]:
    """A tone of 440 Hz in packets of 20 ms, by libopus."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "mono", "s16"
    made: list[bytes] = []
    for number in range(count + 2):
        at = np.arange(number * PACKET, (number + 1) * PACKET) / 48_000
        wave = (12_000 * np.sin(2 * np.pi * 440 * at)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, number * PACKET, Fraction(1, 48_000)
        made += [bytes(packet) for packet in encoder.encode(frame)]
    return made[:count]


def placed(clock: SoundClock, times: Sequence[float]) -> list[int | None]:
    return [clock.place(SoundPacket(b"x", PACKET, at)) for at in times]


def steps(start: float, count: int, *, step: float = STEP) -> list[float]:
    return [start + step * number for number in range(count)]


def test_packets_follow_each_other_to_the_sample_though_their_times_shake() -> None:
    rng = np.random.default_rng(0)
    times = [at + float(rng.uniform(-0.004, 0.004)) for at in steps(5.0, 200)]
    pts = placed(SoundClock(1.0), times)
    assert pts[0] == round((times[0] - 1.0) * 48_000)
    assert [pts[0] + PACKET * number for number in range(200)] == pts


def test_after_a_gap_sound_is_back_on_the_pictures_clock() -> None:
    pts = placed(SoundClock(0.0), [*steps(1.0, 5), *steps(3.0, 5)])
    assert pts == [*range(48_000, 48_000 + 5 * PACKET, PACKET), *range(144_000, 144_000 + 5 * PACKET, PACKET)]


def test_a_lost_packet_leaves_its_place_empty() -> None:
    times = steps(1.0, 10)
    del times[4]
    pts = placed(SoundClock(0.0), times)
    assert pts[4] == 48_000 + 5 * PACKET


@pytest.mark.parametrize("drift", [-0.002, 0.002])
def test_a_source_whose_clock_is_wrong_stays_within_a_packet(drift: float) -> None:
    clock = SoundClock(0.0)
    times = steps(1.0, 3000, step=STEP * (1 + drift))
    pts = placed(clock, times)
    kept = [(at, got) for at, got in zip(times, pts, strict=True) if got is not None]
    assert is_rising([got for _, got in kept])
    assert max(abs(got / 48_000 - at) for at, got in kept) <= 0.021
    assert len(kept) > 0.99 * len(times)


def test_a_step_back_of_the_clock_leaves_out_what_would_run_ahead() -> None:
    times = [*steps(1.0, 10), *steps(1.0 + 10 * STEP - 0.05, 10)]
    pts = placed(SoundClock(0.0), times)
    assert pts[10:12] == [None, None]
    got = [value for value in pts if value is not None]
    assert is_rising(got)
    assert abs(got[-1] / 48_000 - times[-1]) < 0.02


def left(delays: Sequence[float], *, interval: float = 0.04) -> Iterator[tuple[float, float]]:
    """Pictures with these delays, one an interval: what each had and what sound has then."""
    delay = Delay()
    for number, seconds in enumerate(delays):
        delay.add(seconds, 10.0 + number * interval)
        yield seconds, delay.seconds


def test_sound_is_held_as_pictures_are_while_these_vary() -> None:
    rng = np.random.default_rng(1)
    errors = [sound - picture for picture, sound in left(list(rng.uniform(0.06, 0.12, 500)))]
    assert max(map(abs, errors[10:])) < 0.04


def test_two_slow_pictures_move_nothing() -> None:
    sounds = [sound for _, sound in left([0.08] * 50 + [0.5, 0.5] + [0.08] * 50)]
    assert max(sounds) == pytest.approx(0.08)


def test_another_delay_is_followed_evenly() -> None:
    sounds = [sound for _, sound in left([0.05] * 30 + [0.15] * 40)]
    assert sounds[0] == 0.05
    assert abs(sounds[-1] - 0.15) < 1e-9
    assert max(abs(after - before) for before, after in itertools.pairwise(sounds)) <= 0.0101
    # Within 40 ms again a second later.
    assert abs(sounds[55] - 0.15) < 0.04


async def listening(viewing: Viewing, count: int) -> asyncio.Task[list[tuple[EncodedSound, float]]]:
    """Whoever listens: `count` packets from now on, and when each came."""
    task = asyncio.ensure_future(heard(viewing, count))
    await asyncio.sleep(0.01)
    return task


async def heard(viewing: Viewing, count: int) -> list[tuple[EncodedSound, float]]:
    got = []
    for _ in range(count):
        sound = await asyncio.wait_for(viewing.sound(), PATIENCE)
        got.append((sound, time.monotonic()))
    return got


def test_packets_pass_untouched_and_decode() -> None:
    async def run() -> list[EncodedSound]:
        async with on_air() as air:
            watcher = air.view()
            before = watcher.viewing.has_sound
            hearing = await listening(watcher.viewing, len(packets))
            now = time.monotonic()
            for number, data in enumerate(packets):
                air.broadcast.hear(SoundPacket(data, PACKET, now - 1 + STEP * number))
            got = [sound for sound, _ in await hearing]
            assert (before, watcher.viewing.has_sound) == (False, True)
            assert air.count("sound_bytes_total") == sum(map(len, packets))
            return got

    packets = opus_packets(20)
    sounds = asyncio.run(run())
    assert [sound.data for sound in sounds] == packets
    assert {after.pts - before.pts for before, after in itertools.pairwise(sounds)} == {PACKET}
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, AudioCodecContext)
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    wave = np.concatenate(
        [frame.to_ndarray().ravel() for sound in sounds for frame in decoder.decode(av.Packet(sound.data))]
    ).astype(float)
    spectrum = np.abs(np.fft.rfft(wave[-9600:]))
    assert np.argmax(spectrum) * 5 == 440


async def play(air: OnAir, seconds: float, held: Sequence[float]) -> None:
    """Pictures each 40 ms that take as long as `held` says, in turn, and sound each 20 ms that is there at once."""
    loop, began = asyncio.get_running_loop(), time.monotonic()
    for number in range(int(seconds / STEP)):
        await asyncio.sleep(max(0.0, began + number * STEP - time.monotonic()))
        air.broadcast.hear(SoundPacket(b"sound", PACKET, time.monotonic()))
        if number % 2 == 0:
            # Captured now, computed so long.
            loop.call_later(held[number // 2 % len(held)], air.show_frame, frame(number // 2))


def test_what_was_captured_together_arrives_together() -> None:
    async def run() -> None:
        async with on_air() as air:
            watcher = air.view()
            arrived: dict[float, float] = {}

            async def watch() -> None:
                while True:
                    picture = await watcher.next()
                    if "slate" not in picture.facts:
                        arrived[picture.captured_at] = time.monotonic()

            watching = asyncio.ensure_future(watch())
            hearing = await listening(watcher.viewing, 90)
            await play(air, 2.0, [0.06, 0.10, 0.08])
            sounds = await hearing
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            captured = sorted(arrived)
            errors = []
            for sound, at in sounds[30:]:
                near = min(captured, key=lambda moment: abs(moment - sound.captured_at))
                errors.append((at - sound.captured_at) - (arrived[near] - near))
            assert abs(statistics.median(errors) + LEAD_SECONDS) < 0.04

    asyncio.run(run())


def test_who_does_not_listen_holds_no_more_than_a_moment_of_sound() -> None:
    async def run() -> None:
        async with on_air() as air:
            viewing = air.view().viewing
            began = await listening(viewing, 1)
            now = time.monotonic()
            for number in range(100):
                air.broadcast.hear(SoundPacket(bytes([number]), PACKET, now - 2 + STEP * number))
                await asyncio.sleep(0.01)
            ((first, _),) = await began
            assert first.data[0] == 0
            assert (await viewing.sound()).data[0] > 30

    asyncio.run(run())


def test_who_begins_to_listen_hears_what_is_captured_from_then_on() -> None:
    """What waited while a viewer connected would come all at once, and its browser would be late ever after."""

    async def run() -> None:
        async with on_air() as air:
            viewing = air.view().viewing
            for number in range(10):
                air.broadcast.hear(SoundPacket(bytes([number]), PACKET, time.monotonic()))
                await asyncio.sleep(STEP)
            assert air.count("sound_bytes_total") >= 8
            hearing = await listening(viewing, 1)
            air.broadcast.hear(SoundPacket(b"new", PACKET, time.monotonic()))
            ((first, _),) = await hearing
            assert first.data == b"new"

    asyncio.run(run())


def test_sound_goes_on_while_the_picture_waits() -> None:
    async def run() -> None:
        async with on_air() as air:
            watcher = air.view()
            air.show(0)
            await watcher.live(0)
            air.broadcast.wait("no picture")
            await watcher.until(slate="no picture")
            hearing = await listening(watcher.viewing, 1)
            air.broadcast.hear(SoundPacket(b"on", PACKET, time.monotonic()))
            ((sound, _),) = await hearing
            assert sound.data == b"on"

    asyncio.run(run())
