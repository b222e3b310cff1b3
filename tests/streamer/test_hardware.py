"""What is said of an NVIDIA card's decoders and encoders, on machines with one and without."""

from __future__ import annotations

import io

import av
import pytest

from streamer.media import hardware
from streamer.media.hardware import (
    SAMPLES,
    cuda_decoding,
    decoding_fault,
    encode_blank,
    encoder_fault,
    hardware_decoders,
    hardware_encoders,
)


def test_each_decoder_and_encoder_works_or_says_why_not() -> None:
    decoders, encoders = hardware_decoders(), hardware_encoders()
    assert [found.name for found in decoders] == ["h264", "hevc", "vp9", "av1"]
    assert [found.name for found in encoders] == ["h264_nvenc", "hevc_nvenc", "av1_nvenc"]
    for found in (*decoders, *encoders):
        assert found.works is not bool(found.fault)
        assert "\n" not in found.fault


@pytest.mark.parametrize("codec", SAMPLES)
def test_what_decoders_are_tried_with_is_a_sound_stream(codec: str) -> None:
    encoder, options = SAMPLES[codec]
    with av.open(io.BytesIO(encode_blank(encoder, options, 256, 256)), "r") as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == codec
        pictures = [picture.to_ndarray(format="gray") for picture in container.decode(video=0)]
    assert len(pictures) == 4
    assert all(abs(int(picture.mean()) - 128) <= 2 for picture in pictures)


def test_a_decoder_that_nothing_can_be_made_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "decoding_fault", lambda: "")
    monkeypatch.setattr(hardware, "SAMPLES", {"hevc": ("libx265-that-is-nowhere", {})})
    assert [found.fault for found in hardware_decoders()] == [
        "not tried, as this build of FFmpeg has no libx265-that-is-nowhere to make pictures for it"
    ]


def test_what_ffmpeg_says_of_the_card_agrees() -> None:
    """The driver's libraries are looked for apart from FFmpeg; both must come to the same."""
    try:
        av.CodecContext.create("h264", "r", hwaccel=cuda_decoding())
    except av.FFmpegError:
        assert "NVIDIA" in decoding_fault()
    else:
        # In a container the driver may come without its parts for films.
        assert decoding_fault() == "" or "comes without NVDEC" in decoding_fault()
    try:
        encode_blank("h264_nvenc", {}, 256, 256)
    except av.FFmpegError:
        assert "NV" in encoder_fault("h264_nvenc", {}, 256, 256)
    else:
        assert encoder_fault("h264_nvenc", {}, 256, 256) == ""


def test_an_encoder_that_ffmpeg_was_built_without_is_told() -> None:
    fault = encoder_fault("h264_nothing", {}, 256, 256)
    assert "no h264_nothing" in fault or "driver" in fault
