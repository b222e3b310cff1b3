"""Clips that go through real encoders and decoders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from experts.contract import Image
from experts.training.codec import Codec, h264, h264_at_rate, through, vp8, vp9
from tests.helpers.portraits import portrait


def moving_square(length: int) -> list[Image]:
    frames = [np.full((96, 160, 3), 60, np.uint8) for _ in range(length)]
    for t, frame in enumerate(frames):
        frame[30:60, 10 + 20 * t : 40 + 20 * t] = (220, 180, 60)
    return frames


def drifting_face(length: int) -> list[Image]:
    picture = portrait(1)
    return [np.ascontiguousarray(picture[80 + t : 400 + t, 60 + 2 * t : 380 + 2 * t]) for t in range(length)]


def quality(codec: Codec, frames: list[Image]) -> list[float]:
    return [cv2.PSNR(sent, seen) for sent, seen in zip(frames, through(codec, frames), strict=True)]


CRF = h264(crf=24.0, preset="veryfast", zero_latency=True)


@pytest.mark.parametrize(
    "codec",
    [
        h264(crf=24.0, preset="ultrafast", zero_latency=True),
        h264(crf=24.0, preset="medium", zero_latency=False),
        h264_at_rate(bits_a_pixel=0.4, preset="veryfast", zero_latency=True),
        h264_at_rate(bits_a_pixel=0.4, preset="medium", zero_latency=False),
        vp8(bits_a_pixel=0.3),
        vp9(bits_a_pixel=0.3),
        replace(CRF, keys=(3,)),
        replace(CRF, before=vp8(bits_a_pixel=0.5), before_size=0.7),
        replace(CRF, before=CRF, before_size=1.2),
    ],
    ids=[
        "call",
        "file",
        "call at a rate",
        "file at a rate",
        "vp8",
        "vp9",
        "key frame",
        "smaller relay",
        "larger relay",
    ],
)
def test_codec_gives_every_frame_back_in_order(codec: Codec) -> None:
    sent = moving_square(6)
    seen = through(codec, sent)
    assert len(seen) == len(sent)
    for before, after in zip(sent, seen, strict=True):
        assert before.shape == after.shape
        assert not np.array_equal(before, after)
        assert cv2.PSNR(before, after) > 22.0


def test_higher_crf_costs_quality() -> None:
    sent = drifting_face(3)
    fine, coarse = (quality(h264(crf=crf, preset="veryfast", zero_latency=True), sent)[2] for crf in (18.0, 38.0))
    assert fine > coarse + 2.0


@pytest.mark.parametrize(
    "at_rate",
    [
        lambda bits: h264_at_rate(bits_a_pixel=bits, preset="veryfast", zero_latency=True),
        lambda bits: vp8(bits_a_pixel=bits),
        lambda bits: vp9(bits_a_pixel=bits),
    ],
    ids=["h264", "vp8", "vp9"],
)
def test_lower_rate_costs_quality(at_rate: Callable[[float], Codec]) -> None:
    sent = drifting_face(10)
    rich, poor = (float(np.mean(quality(at_rate(bits), sent)[2:])) for bits in (0.4, 0.02))
    assert rich > poor + 1.0


def test_key_frame_pulses() -> None:
    """A key frame is coded anew, so that the picture jumps: seen against the same clip without it."""
    sent = [drifting_face(1)[0]] * 8
    codec = h264(crf=34.0, preset="veryfast", zero_latency=True)
    plain, keyed = through(codec, sent), through(replace(codec, keys=(5,)), sent)
    assert np.array_equal(plain[4], keyed[4])

    def jump(seen: list[Image]) -> float:
        return float(np.abs(seen[5].astype(int) - seen[4]).mean())

    assert jump(keyed) > 2.0 * jump(plain)


def test_earlier_encode_is_seen_through_the_later_one() -> None:
    sent = drifting_face(4)
    fine = h264(crf=18.0, preset="veryfast", zero_latency=True)
    coarse = h264(crf=36.0, preset="veryfast", zero_latency=True)
    alone = quality(fine, sent)[3]
    assert quality(replace(fine, before=coarse), sent)[3] < alone - 1.0
    assert quality(replace(fine, before=fine, before_size=0.6), sent)[3] < alone - 0.5
