"""Packing, ordering and clocks, with numbers alone."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from itertools import pairwise

import av
import pytest
from aiortc.codecs.h264 import h264_depayload
from aiortc.rtp import RtpPacket

from tests.helpers.studio import DemoEncoder, numbered
from web.feeds import EncodedPicture, Layout
from web.ice import ice_servers
from web.packing import PAYLOAD_BYTES, Packer, nal_units, payloads
from web.receiver import is_key, opus_samples
from web.reorder import Arrival, Assembler, CodedPicture, Reorder
from web.rtp_time import PublisherClock
from web.settings import WebSettings

NTP = 1 << 32


def a_unit(size: int, *, kind: int = 5) -> bytes:
    return bytes([0x60 | kind]) + random.Random(size).randbytes(size - 1).replace(b"\x00", b"\x01")


@pytest.mark.parametrize("sizes", [(2,), (10, 20), (1200,), (1201,), (8, 4, 5000), (1197, 3, 1190, 9000, 7), (2398,)])
def test_payloads_are_small_enough_and_give_the_picture_back(sizes: tuple[int, ...]) -> None:
    units = [a_unit(size) for size in sizes]
    packed = payloads(b"".join(b"\x00\x00\x00\x01" + unit for unit in units))
    assert max(map(len, packed)) <= PAYLOAD_BYTES
    back = b"".join(h264_depayload(payload) for payload in packed)
    assert list(nal_units(back)) == units


def test_a_real_encoders_pictures_survive_packing() -> None:
    encoder = DemoEncoder(640, 360, 25, 3_000_000)
    decoder = av.CodecContext.create("h264", "r")
    shown = 0
    for number in range(10):
        data, key = encoder.encode(numbered(number, width=640, height=360), number * 3600)
        back = b"".join(h264_depayload(payload) for payload in payloads(data))
        assert list(nal_units(back)) == list(nal_units(data))
        assert is_key("h264", back) == key
        shown += len(decoder.decode(av.Packet(back)))
    assert shown == 10


def test_a_picture_is_packed_once_for_all() -> None:
    packer = Packer(size=2)
    layout = Layout(2, 2, (0, 0, 2, 2))
    pictures = [EncodedPicture(b"\x00\x00\x01\x65abc", n, True, n, 0.0, "enhanced", layout) for n in range(4)]
    first = packer.pack(pictures[0])
    assert packer.pack(pictures[0]) is first
    for picture in pictures[1:]:
        assert packer.pack(picture).picture is picture
    assert len(packer._packed) == 2


def arrival(sequence: int, at: float, *, timestamp: int = 0, marker: int = 0, payload: bytes = b"x") -> Arrival:
    packet = RtpPacket(payload_type=96, sequence_number=sequence % 65536, timestamp=timestamp, marker=marker, ssrc=1)
    return Arrival(packet, payload, at)


def in_order(reorder: Reorder, arrivals: list[Arrival]) -> list[tuple[int, int]]:
    return [(ready.packet.sequence_number, lost) for each in arrivals for ready, lost in reorder.put(each)]


def test_packets_come_out_in_order_over_the_wrap() -> None:
    order = [65534, 0, 65535, 1, 3, 2, 2, 65535, 4]
    reorder = Reorder(0.1)
    assert in_order(reorder, [arrival(n, 0.01 * i) for i, n in enumerate(order)]) == [
        (n % 65536, 0) for n in range(65534, 65541)
    ]
    assert reorder.late == 2


def test_a_missing_packet_is_waited_for_and_then_given_up() -> None:
    reorder = Reorder(0.1)
    assert in_order(reorder, [arrival(1, 0.0), arrival(4, 0.01), arrival(5, 0.1)]) == [(1, 0)]
    assert in_order(reorder, [arrival(6, 0.12)]) == [(4, 2), (5, 0), (6, 0)]
    assert in_order(reorder, [arrival(3, 0.13)]) == []


def test_what_is_held_is_bounded_and_a_new_beginning_is_taken() -> None:
    reorder = Reorder(1e9)
    assert in_order(reorder, [arrival(0, 0.0)]) == [(0, 0)]
    ready = in_order(reorder, [arrival(n, 0.0) for n in range(2, 1000)])
    assert ready[0] == (2, 1)
    assert len(ready) == 998
    assert in_order(reorder, [arrival(30000, 0.0)]) == [(30000, 0)]


def assembled(arrivals: list[tuple[Arrival, int]]) -> list[CodedPicture]:
    assembler = Assembler()
    return [picture for each, lost in arrivals for picture in assembler.put(each, lost)]


def test_a_picture_is_whole_with_its_marker_or_with_the_next_timestamp() -> None:
    first = [(arrival(0, 1.0, payload=b"a"), 0), (arrival(1, 2.0, marker=1, payload=b"b"), 0)]
    unmarked = [(arrival(2, 3.0, timestamp=9, payload=b"c"), 0), (arrival(3, 4.0, timestamp=18, payload=b"d"), 0)]
    pictures = assembled(first + unmarked)
    assert [(picture.data, picture.arrived_at, picture.broken) for picture in pictures] == [
        (b"ab", 2.0, False),
        (b"c", 3.0, False),
    ]


def test_what_a_loss_tore_is_left_out_and_the_next_is_marked() -> None:
    torn = [(arrival(0, 0.0), 0), (arrival(2, 0.0, marker=1), 1)]
    pictures = assembled([*torn, (arrival(3, 0.0, timestamp=9, marker=1, payload=b"next"), 0)])
    assert [(picture.data, picture.broken) for picture in pictures] == [(b"next", True)]


PICTURES_BEGIN, SOUND_BEGINS = NTP - 5000, 77
"""RTP timestamps of the moment 0 of a publisher's clock."""


def play(
    clock: PublisherClock,
    seconds: Iterable[float],
    *,
    sound_late: Callable[[float], float] = lambda _: 0.0,
    picture_late: Callable[[float], float] = lambda _: 0.0,
    report_off: Callable[[float], float] | None = lambda _: 0.0,
) -> list[tuple[float, float]]:
    """A publisher at these moments of its clock, 20 ms apart: when, and how far sound is from the picture that was
    captured with it. `..._late`: by how much more than 10.0 s, by the moment; `report_off`: of sound, each second."""
    found = []
    for at in seconds:
        picture = clock.picture_seconds(round(PICTURES_BEGIN + 90000 * at) % NTP, 10.0 + at + picture_late(at))
        sound = clock.sound_seconds(round(SOUND_BEGINS + 48000 * at) % NTP, 10.0 + at + sound_late(at))
        found.append((at, sound - picture))
        if report_off is not None and round(at * 50) % 50 == 25:
            clock.picture_report(round((5000 + at) * NTP), round(PICTURES_BEGIN + 90000 * at) % NTP)
            clock.sound_report(round((5000 + at + report_off(at)) * NTP), round(SOUND_BEGINS + 48000 * at) % NTP)
    return found


def moments(begin: float, end: float) -> list[float]:
    return [number / 50 for number in range(round(50 * begin), round(50 * end))]


def test_sound_follows_pictures_by_the_publishers_reports_when_they_agree() -> None:
    """Sound comes 300 ms late against what its publisher captured together with a picture."""
    clock = PublisherClock()
    found = play(clock, moments(0, 10), sound_late=lambda _: 0.3)
    assert {round(off, 3) for at, off in found if at < 1.5} == {0.3}
    assert {round(off, 3) for at, off in found if at > 3} == {0.0}
    # 2 ms off: not worth a seam.
    found = play(clock, moments(10, 20), sound_late=lambda _: 0.3, report_off=lambda _: 0.002)
    assert {round(off, 3) for _, off in found} == {0.0}


@pytest.mark.parametrize("wander", [0.8, -0.8])
def test_a_publisher_whose_first_reports_wander_is_in_step_nevertheless(wander: float) -> None:
    """It begins with what it held while it connected, and reports when it sent rather than when it captured."""

    def held(at: float) -> float:
        return max(0.0, 0.8 - 2 * at)

    def reported(at: float) -> float:
        return wander * max(0.0, 1 - at / 8) + 0.005 * math.sin(7 * at)

    for late in ({"picture_late": held}, {"sound_late": held}, {"picture_late": held, "sound_late": held}):
        found = play(PublisherClock(), moments(0, 30), report_off=reported, **late)
        assert max(abs(off) for at, off in found if at > 0.5) <= 0.04
        moves = sum(before != pytest.approx(after, abs=0.001) for (_, before), (_, after) in pairwise(found[25:]))
        assert moves <= 4


def test_without_reports_sound_and_pictures_are_as_they_come() -> None:
    found = play(PublisherClock(), moments(0, 5), sound_late=lambda at: 0.1 * (at < 1), report_off=None)
    assert max(abs(off) for at, off in found if at > 1) <= 0.03


def test_pictures_never_move_whatever_is_reported() -> None:
    clock = PublisherClock()
    seconds = []
    for at in moments(0, 20):
        seconds.append(clock.picture_seconds(round(90000 * at), 10.0 + at))
        play(clock, [at], report_off=lambda at: math.sin(at))
    assert all(after - before == pytest.approx(0.02) for before, after in pairwise(seconds[1:]))


def test_a_stream_that_begins_anew_is_put_in_step_anew() -> None:
    clock = PublisherClock()
    play(clock, moments(0, 10), sound_late=lambda _: 0.3)
    # Its timestamps jump while it goes on sending.
    again = play(clock, moments(1000, 1010), sound_late=lambda _: -989.9, picture_late=lambda _: -990.0)
    assert (clock.pictures.begins, clock.sound.begins) == (2, 2)
    assert {round(off, 3) for at, off in again if at < 1001} == {0.1}
    assert {round(off, 3) for at, off in again if at > 1003} == {0.0}


def test_timestamps_wrap_and_begin_anew() -> None:
    clock = PublisherClock().pictures
    first = clock.seconds(NTP - 9000, 50.0)
    assert clock.seconds(0, 50.1) - first == pytest.approx(0.1)
    assert clock.seconds(9000, 50.2) - first == pytest.approx(0.2)
    assert clock.seconds(3_000_000_000, 50.3) == pytest.approx(50.3)


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (b"", 0),
        (bytes([0 << 3]), 480),
        (bytes([3 << 3]), 2880),
        (bytes([13 << 3]), 960),
        (bytes([31 << 3]), 960),
        (bytes([28 << 3 | 1]), 240),
        (bytes([31 << 3 | 3, 3]), 2880),
        (bytes([31 << 3 | 3]), 0),
        (bytes([3 << 3 | 3, 63]), 0),
    ],
)
def test_the_duration_of_an_opus_packet(packet: bytes, samples: int) -> None:
    assert opus_samples(packet) == samples


def test_addresses_of_ice_servers_are_checked() -> None:
    assert ice_servers(WebSettings()) == []
    with pytest.raises(ValueError, match="stun is an address such as"):
        ice_servers(WebSettings(stun="nowhere"))
    with pytest.raises(ValueError, match="turn is an address such as"):
        ice_servers(WebSettings(turn="http://host"))
