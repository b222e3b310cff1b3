"""Live encoding, decoded by FFmpeg: what browsers need of the stream, sharp pictures, bits within their lid."""

from __future__ import annotations

import numpy as np
import pytest
from av.video.frame import PictureType

from streamer.color import ColorSpec
from streamer.errors import SinkError
from streamer.media.live_encoder import Coded, LiveEncoder, default_bitrate
from tests.helpers.pictures import Decoder, kinds, number_of, numbered, planes_of, psnr, units

STEP = 3600


def encoder(width: int = 128, height: int = 96, color: ColorSpec | None = None, **more: float) -> LiveEncoder:
    return LiveEncoder(width, height, color or ColorSpec(), bitrate=int(more.get("bitrate", 1_000_000)))


def coded(maker: LiveEncoder, count: int, *, keys: tuple[int, ...] = ()) -> list[Coded]:
    made = []
    for number in range(count):
        maker.put(numbered(number, maker.height, maker.width))
        made.append(maker.encode(STEP * number, key=number in keys))
    return made


def test_is_constrained_baseline_with_parameter_sets_before_every_key_frame() -> None:
    made = coded(encoder(), 12, keys=(5,))
    assert [one.is_key for one in made] == [index in (0, 5) for index in range(12)]
    for one in made:
        found = [kind for kind in kinds(one.data) if kind != 6]
        assert set(found) == ({5, 7, 8} if one.is_key else {1})
        assert found[:2] == [7, 8] or not one.is_key
    sps = units(made[0].data)[0]
    # profile_idc 66 with constraint_set1_flag: Constrained Baseline (H.264, A.2.1.1), as SDP's 42e0xx stands for.
    assert sps[1] == 66
    assert sps[2] & 0x40


@pytest.mark.parametrize(("size", "level"), [((640, 360), 30), ((1280, 720), 31), ((1920, 1080), 40)])
def test_states_the_level_that_the_size_needs(size: tuple[int, int], level: int) -> None:
    maker = encoder(*size, bitrate=default_bitrate(*size, 25))
    sps = units(maker.encode(0).data)[0]
    assert sps[3] == level


def test_every_picture_comes_out_at_once_in_order_and_sharp() -> None:
    decoder = Decoder()
    for number, one in enumerate(coded(encoder(), 30)):
        picture = decoder.decode(one.data, STEP * number)
        wanted = numbered(number)
        got = planes_of(picture)
        assert picture.pict_type != PictureType.B
        assert number_of(got[0]) == number
        assert min(psnr(got[plane], wanted[plane]) for plane in range(3)) > 36
    assert not decoder.context.has_b_frames


@pytest.mark.parametrize("color", [ColorSpec("bt601"), ColorSpec("bt709", full_range=True, primaries=1, transfer=1)])
def test_says_what_its_colours_mean(color: ColorSpec) -> None:
    picture = Decoder().decode(encoder(color=color).encode(0).data)
    assert picture.colorspace == color.matrix_tag
    assert picture.color_range == (2 if color.full_range else 1)
    assert (picture.color_primaries, picture.color_trc) == (color.primaries, color.transfer)


def test_pads_odd_sizes_by_the_last_row_and_column() -> None:
    maker = encoder(127, 95)
    maker.put(numbered(5, 95, 127))
    luma = planes_of(Decoder().decode(maker.encode(0).data))[0]
    assert luma.shape == (96, 128)
    assert np.abs(luma[:, 127].astype(int) - luma[:, 126]).mean() < 4
    assert np.abs(luma[95].astype(int) - luma[94]).mean() < 4


def test_pictures_lie_beside_each_other_on_black() -> None:
    maker = encoder(128, 144)
    maker.put(numbered(3))
    maker.put(numbered(9, 48, 64), 0, 96)
    y, u, _ = planes_of(Decoder().decode(maker.encode(0).data))
    assert (number_of(y[:96]), number_of(y[96:, :64])) == (3, 9)
    assert abs(float(y[100:, 72:].mean()) - 16) < 2
    assert abs(float(u[50:, 36:].mean()) - 128) < 2


@pytest.mark.parametrize(("x", "y"), [(1, 0), (2, 0), (0, 2), (-2, 0)])
def test_refuses_a_place_where_a_picture_does_not_fit(x: int, y: int) -> None:
    with pytest.raises(ValueError, match="128x96"):
        encoder().put(numbered(0), x, y)


def test_refuses_what_x264_refuses_in_one_line() -> None:
    with pytest.raises(SinkError, match="16400x16"):
        encoder(16400, 16)


def test_keeps_below_its_bitrate_where_nothing_is_alike() -> None:
    rng = np.random.default_rng(0)
    maker, bitrate = encoder(320, 240, bitrate=800_000), 800_000
    sizes = []
    for number in range(75):
        noise = rng.integers(16, 236, (240, 320), np.uint8)
        maker.put((noise, noise[::2, ::2], noise[1::2, ::2]))
        sizes.append(len(maker.encode(STEP * number, key=number % 25 == 0).data))
    # What the buffer of half a second may add, once, and a little that x264 overshoots on noise.
    assert 8 * sum(sizes) < 1.1 * bitrate * (3 + 0.5)
    assert 8 * max(sizes) < bitrate * 0.5


def test_a_still_picture_costs_next_to_nothing() -> None:
    maker = encoder(320, 240)
    maker.put(numbered(1, 240, 320))
    sizes = [len(maker.encode(STEP * number).data) for number in range(50)]
    assert sum(sizes[25:]) < sizes[0]


def test_the_default_bitrate_grows_slower_than_the_pixels() -> None:
    small, middle, large = (default_bitrate(w, h, 25) for w, h in ((640, 360), (1280, 720), (1920, 1080)))
    assert 2_500_000 < middle < 3_200_000
    assert small < middle < 4 * small
    assert middle < large < 2.25 * middle
    assert default_bitrate(1280, 720, 50) < 2 * middle
