"""How much restoration changed the sampled faces: every figure that can be measured here, and why others can't."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from experts import face_parser
from experts.contract import ExpertError
from experts.failures import reason
from experts.quality.change import Arithmetic, agreement
from experts.quality.lpips import Lpips
from experts.quality.metrics import face_luma
from streamer.figures import FaceSampler, Pair
from streamer.judging import Case, Judge
from weights.session import RuntimeSettings, WeightsError
from weights.store import Store

Instrument = Callable[[Pair], Mapping[str, float | None]]
"""Gives its figures by name; None where this face has none. Raises ExpertError where it fails."""

FIGURES = {
    "psnr_db": "PSNR dB",
    "ssim": "SSIM",
    "lpips": "LPIPS",
    "identity": "identity (cosine)",
    "parsing_iou": "face parsing: mean IoU",
    "parsing_pixels": "face parsing: equal pixels",
}
"""As the report has them, and as people read them."""

_BY_INSTRUMENT = {
    "arithmetic": ("psnr_db", "ssim"),
    "lpips": ("lpips",),
    "identity": ("identity",),
    "parser": ("parsing_iou", "parsing_pixels"),
}
MOST_PARSED = 12
"""Faces that the parser sees, evenly among those measured: one takes a processor seconds, all others are quick."""
NO_JUDGE = "no judge is set (--judge, [identity] judge)"


class Figures:
    """Measures what `sampler` kept, with all instruments that load here; nothing is fetched for that.

    `judge`: who measures identity, None where nobody is to. Call `load` before the film, so that what is missing is
    known, and `measure` after it until it is done.
    """

    def __init__(self, sampler: FaceSampler, judge: Judge | None) -> None:
        self._sampler = sampler
        self._judge = judge
        self._instruments: dict[str, Instrument] = {}
        self._reasons: dict[str, str] = {}
        self._found: dict[str, list[float]] = {name: [] for name in FIGURES}
        self._measured = 0
        self._counts: Counter[str] = Counter()

    def load(self, store: Store, runtime: RuntimeSettings) -> None:
        loaders: dict[str, Callable[[], Instrument]] = {
            "arithmetic": lambda: _arithmetic(Arithmetic()),
            "lpips": lambda: _lpips(Lpips()),
            "identity": lambda: _identity(self._judge),
            "parser": lambda: _parser(face_parser.make(store, runtime)),
        }
        for name, load in loaders.items():
            try:
                self._instruments[name] = load()
            except (ExpertError, WeightsError) as error:
                self._give_up(name, error)

    def measure(self) -> bool:
        """The next face; whether there was one. One at a time, so that whoever waits may end it."""
        pairs = self._sampler.pairs
        if self._measured >= len(pairs):
            return False
        number, pair = self._measured, pairs[self._measured]
        self._measured += 1
        for name, instrument in tuple(self._instruments.items()):
            if name == "parser" and number % -(-len(pairs) // MOST_PARSED):
                continue
            self._counts[name] += 1
            try:
                found = instrument(pair)
            except ExpertError as error:
                self._give_up(name, error)
                continue
            for figure, value in found.items():
                self._found[figure] += [] if value is None else [value]
        return True

    def told(self) -> dict[str, Any]:
        """For the report: means over the measured faces; None where there is none, its reason in `not_measured`."""
        means = {name: round(statistics.fmean(found), 4) if found else None for name, found in self._found.items()}
        nothing = (
            "no restored face was there to measure" if not self._measured else "the sampled faces show nothing of it"
        )
        return {
            "faces": self._measured,
            "of_restored": self._sampler.restored,
            "parsed_faces": self._counts["parser"],
            "tracks": self._sampler.tracks,
            **means,
            "not_measured": {name: self._reasons.get(name, nothing) for name in FIGURES if means[name] is None},
        }

    def _give_up(self, name: str, error: Exception) -> None:
        """A mean over some of the faces would not compare with the others."""
        self._instruments.pop(name, None)
        for figure in _BY_INSTRUMENT[name]:
            self._reasons[figure] = str(error)
            self._found[figure].clear()


def _arithmetic(arithmetic: Arithmetic) -> Instrument:
    def measure(pair: Pair) -> Mapping[str, float | None]:
        both = [face_luma(face) for face in pair.faces()]
        return {"psnr_db": arithmetic.psnr(*both), "ssim": arithmetic.ssim(*both)}

    return measure


def _lpips(lpips: Lpips) -> Instrument:
    def measure(pair: Pair) -> Mapping[str, float | None]:
        before, after = pair.faces()
        try:
            return {"lpips": lpips.distance(after, before)}
        except (RuntimeError, MemoryError) as error:
            raise ExpertError(f"LPIPS failed: {reason(error)}") from error

    return measure


def _identity(judge: Judge | None) -> Instrument:
    if judge is None:
        raise ExpertError(NO_JUDGE)

    def measure(pair: Pair) -> Mapping[str, float | None]:
        before, after = pair.faces()
        return {"identity": judge.begin(Case(before, after, 1.0)).result()}

    return measure


def _parser(parser: face_parser.FaceParser) -> Instrument:
    def measure(pair: Pair) -> Mapping[str, float | None]:
        found = agreement(parser.parse(pair.before), parser.parse(pair.after))
        return {"parsing_iou": found.iou, "parsing_pixels": found.pixels}

    return measure
