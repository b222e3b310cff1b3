"""The settings of live streams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"]


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """`max_height`: a stream is enlarged as far as its output stays no taller than that, in lines. `max_age_seconds`:
    of frames that were held up on their way and then come at once, those that are so much older than usual are let go
    for the newer ones behind them. `without_viewers`: enhance also while nobody watches, for the metrics' sake, which
    then are of the way up to the encoder. `wait_seconds`: with no new picture for so long, the stream says that it
    waits.

    `bitrate_kbps`: of a stream's picture at most, 0 for what suits its size and rate. `preset`: x264's. `key_seconds`:
    from one key frame to the next at most; a viewer who comes or lost one gets one sooner.

    `max_streams`; `max_viewers`: of one stream. `publish`: whether publishers may make streams. `linger_seconds`: a
    stream that a publisher made is removed so long after the publisher left.

    Raises ValueError where a value makes no sense.
    """

    max_height: int = 1080
    max_age_seconds: float = 0.2
    without_viewers: bool = False
    wait_seconds: float = 2.0
    bitrate_kbps: int = 0
    preset: Preset = "superfast"
    key_seconds: float = 10.0
    max_streams: int = 8
    max_viewers: int = 16
    publish: bool = True
    linger_seconds: float = 30.0

    def __post_init__(self) -> None:
        self._check_whole("max_height", least=16)
        self._check_whole("bitrate_kbps", least=0)
        self._check_whole("max_streams", least=1)
        self._check_whole("max_viewers", least=1)
        for name in ("max_age_seconds", "wait_seconds", "key_seconds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is more than 0, not {getattr(self, name)}")
        if self.linger_seconds < 0:
            raise ValueError(f"linger_seconds is 0 or more, not {self.linger_seconds}")
        if self.preset not in get_args(Preset):
            raise ValueError(f"preset is one of {', '.join(get_args(Preset))}, not {self.preset!r}")

    def _check_whole(self, name: str, *, least: int) -> None:
        if getattr(self, name) < least:
            raise ValueError(f"{name} is {least} or more, not {getattr(self, name)}")
