"""The video encoders, and how our one scale of quality reads on each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from streamer.errors import UsageError
from streamer.media.hardware import Device

CodecName = Literal["h264", "hevc", "av1", "vp9", "ffv1"]
OnUnsupported = Literal["reencode", "warn", "error"]

# SVT-AV1 writes its settings to stderr, and only its environment can tell it not to; errors it still writes.
os.environ.setdefault("SVT_LOG", "1")

_X26_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")


@dataclass(frozen=True, slots=True)
class Encoder:
    """One encoder of FFmpeg's. `name`: FFmpeg's. `crf_scale`, `crf_offset`: what makes its CRF look like that CRF of
    x264's, at most `crf_most`; `crf_option`: its name for it. `lossless`: the options for quality 0, None where it has
    no such mode. `presets`: from fast to slow."""

    name: str
    presets: tuple[str, ...] = ()
    preset: str = ""
    preset_option: str = "preset"
    crf_scale: float = 1.0
    crf_offset: float = 0.0
    crf_most: int = 51
    crf_option: str = "crf"
    fixed: Mapping[str, str] | None = None
    lossless: Mapping[str, str] | None = None

    def options(self, quality: int, preset: str | None) -> dict[str, str]:
        """FFmpeg's options for a quality from 0 to 51 and one of `presets` (None: the default)."""
        options = dict(self.fixed or {})
        if self.presets:
            options[self.preset_option] = preset or self.preset
            options[self.crf_option] = str(min(self.crf_most, round(self.crf_offset + self.crf_scale * quality)))
        if quality == 0 and self.lossless is not None:
            options.update(self.lossless)
        return options


# Presets: at 1280x720 on two cores x264 takes 8.5 ms of processor time a frame for `superfast` (52.1 dB at CRF 18),
# 13 ms for `veryfast` (50.3 dB, half the bytes) and 3.4 ms for `ultrafast` (51.3 dB). Time is what restoration lacks.
ENCODERS: Mapping[CodecName, Encoder] = {
    "h264": Encoder("libx264", _X26_PRESETS, "superfast", lossless={"qp": "0", "crf": "-1"}),
    "hevc": Encoder(
        "libx265",
        _X26_PRESETS,
        "ultrafast",
        crf_offset=4,
        fixed={"x265-params": "log-level=error"},
        lossless={"x265-params": "log-level=error:lossless=1"},
    ),
    "av1": Encoder("libsvtav1", tuple(str(n) for n in range(13, -1, -1)), "10", crf_scale=1.5, crf_most=63),
    "vp9": Encoder(
        "libvpx-vp9",
        tuple(str(n) for n in range(8, -1, -1)),
        "8",
        preset_option="cpu-used",
        crf_scale=1.2,
        crf_most=63,
        fixed={"deadline": "realtime", "row-mt": "1"},
        lossless={"lossless": "1"},
    ),
    "ffv1": Encoder("ffv1", fixed={"level": "3", "slicecrc": "1", "g": "1"}, lossless={}),
}

# A graphics card's encoders. Constant quality is VBR with a CQ and no bitrate, which FFmpeg then leaves out of account
# (its nvenc.c); the CQ is the CRF of the codec's encoder above, which nobody has measured on a card.
_NVENC_PRESETS = ("p1", "p2", "p3", "p4", "p5", "p6", "p7")
_NVENC = {"tune": "hq", "rc": "vbr"}
CARD_ENCODERS: Mapping[CodecName, Encoder] = {
    "h264": Encoder(
        "h264_nvenc",
        _NVENC_PRESETS,
        "p4",
        crf_option="cq",
        fixed=_NVENC | {"profile": "high"},
        lossless={"tune": "lossless", "cq": "0"},
    ),
    "hevc": Encoder(
        "hevc_nvenc",
        _NVENC_PRESETS,
        "p4",
        crf_option="cq",
        crf_offset=4,
        fixed=_NVENC,
        lossless={"tune": "lossless", "cq": "0"},
    ),
    "av1": Encoder("av1_nvenc", _NVENC_PRESETS, "p4", crf_option="cq", crf_scale=1.5, crf_most=63, fixed=_NVENC),
}


@dataclass(frozen=True, slots=True)
class EncodeSettings:
    """How a film is written.

    `codec`: h264, hevc, av1, vp9 or ffv1. `quality`: 0 to 51 on the scale of x264's CRF, less is better; it is
    translated, roughly, for the other codecs; 0 is lossless (not for av1; few players show such h264); ffv1 always
    is. `encoder_device`: "cuda" for a graphics card's NVENC (h264, hevc, av1), "auto" for that where it takes the
    film. `preset`: the encoder's own word for speed, None for our choice.

    `unsupported`: what to do with a sound or text that the container doesn't take as it is: "reencode" just that
    stream, leave it out with a "warn"ing, or stop with an "error"; what can't be re-encoded is left out with a warning.
    `faststart`: put the index of an MP4 or MOV first, so that it plays while it loads (copies the file once at the
    end). `mark`: say in a corner of the picture that it was enhanced; live pictures too.

    Raises UsageError where these make no sense together.
    """

    codec: CodecName = "h264"
    quality: int = 18
    encoder_device: Device = "cpu"
    preset: str | None = None
    unsupported: OnUnsupported = "reencode"
    faststart: bool = True
    mark: bool = False

    def __post_init__(self) -> None:
        if self.codec not in ENCODERS:
            raise UsageError(f"codec {self.codec!r} is not known: use one of {', '.join(ENCODERS)}")
        if self.unsupported not in get_args(OnUnsupported):
            raise UsageError(f"unsupported = {self.unsupported!r} is not one of {', '.join(get_args(OnUnsupported))}")
        if not 0 <= self.quality <= 51:
            raise UsageError(f"quality {self.quality} is outside 0 (lossless) to 51 (worst): 18 is the default")
        if self.encoder_device == "cuda" and self.codec not in CARD_ENCODERS:
            raise UsageError(
                f"NVENC knows no {self.codec}: use codec {', '.join(CARD_ENCODERS)}, or encoder_device cpu or auto"
            )
        encoder = self.encoders[0]
        if self.quality == 0 and encoder.lossless is None:
            raise UsageError(f"{self.codec} has no lossless mode here: use quality 1, or codec ffv1 or h264")
        if self.preset is None:
            return
        if len(self.encoders) > 1:
            raise UsageError("a preset is one encoder's own word: leave it out, or set encoder_device to cpu or cuda")
        if self.preset not in encoder.presets:
            known = ", ".join(encoder.presets) or "none"
            whose = self.codec if self.encoder_device == "cpu" else encoder.name
            raise UsageError(f"preset {self.preset!r} is not one of {whose}'s: {known}")

    @property
    def encoders(self) -> tuple[Encoder, ...]:
        """Those that may be taken, the first that works."""
        card = (CARD_ENCODERS[self.codec],) if self.codec in CARD_ENCODERS else ()
        if self.encoder_device == "cuda":
            return card
        return (*card, ENCODERS[self.codec]) if self.encoder_device == "auto" else (ENCODERS[self.codec],)

    def options(self, encoder: Encoder) -> dict[str, str]:
        """What FFmpeg is told for one of `encoders`."""
        return encoder.options(self.quality, self.preset)
