"""Measurements as a table for people and as figures for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from experts.quality import tables
from experts.quality.clips import BLUR, CRF, NOISE
from experts.quality.fairness import CLEAR, FEWEST, GroupRow, group_rows
from experts.quality.measure import Measurement
from experts.quality.methods import Absent
from experts.quality.row import Row, by_class, rows_of
from experts.quality.skin import CLASSES as TONES


@dataclass(frozen=True, slots=True)
class Report:
    """`rows`: by width and sharpness; `classes`: by the lanes' widths; `groups`: by groups of people, where there are
    two or more. `settings`: how the samples were made; `notes`: what was left out, and why."""

    rows: Sequence[Row]
    classes: Sequence[Row]
    groups: Sequence[GroupRow]
    absent: Sequence[Absent]
    notes: Sequence[str]
    settings: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        measurements: Sequence[Measurement],
        *,
        grouped: Mapping[str, tuple[int, int]],
        absent: Sequence[Absent],
        notes: Sequence[str],
        settings: Mapping[str, Any],
    ) -> Report:
        """`grouped`: the methods that are told of by groups of people, and the widths of faces that each is for."""
        groups = group_rows(measurements, grouped)
        return cls(rows_of(measurements), by_class(measurements), groups, absent, notes, settings)

    @property
    def sources(self) -> list[str]:
        return list(dict.fromkeys(row.group.source for row in self.rows))

    def details(self, source: str) -> tables.Table:
        return tables.details([row for row in self.rows if row.group.source == source], self.absent)

    def gains(self, source: str, methods: Sequence[str] | None = None) -> tables.Table:
        """Of `methods` alone, or of all."""
        rows = [row for row in self.classes if row.group.source == source]
        return tables.gains([row for row in rows if methods is None or row.method in methods])

    def people(self, source: str) -> tables.Table | None:
        """None where nobody is told from others."""
        rows = [row for row in self.groups if row.source == source]
        return tables.groups(rows) if rows else None

    def to_dict(self) -> dict[str, Any]:
        return {
            "settings": self.settings,
            "notes": list(self.notes),
            "absent": [asdict(method) for method in self.absent],
            "rows": [asdict(row) for row in self.rows],
            "classes": [asdict(row) for row in self.classes],
            "groups": [asdict(row) | {"worse": row.worse} for row in self.groups],
        }

    def to_markdown(self) -> str:
        """All tables, with what they mean."""
        parts = ["# Quality of restored faces", _LEGEND, *self._made()]
        for source in self.sources:
            parts += [f"## {source.capitalize()}", *self._section(source)]
            parts += ["### By width and sharpness", tables.markdown(self.details(source))]
        if self.absent:
            parts += ["## Absent", "\n".join(f"- {method.name}: {method.reason}" for method in self.absent)]
        if self.notes:
            parts += ["## Notes", "\n".join(f"- {note}" for note in self.notes)]
        return "\n\n".join(parts) + "\n"

    def to_card(self, methods: Sequence[str]) -> str:
        """What a model card tells of `methods`, to be pasted there: gains over bicubic, and those by groups."""
        parts = self._made()
        for source in self.sources:
            parts += [f"### {source.capitalize()}", *self._section(source, methods)]
        return "\n\n".join(parts) + "\n"

    def _made(self) -> list[str]:
        """With which weights: figures without them are nobody's."""
        lanes = self.settings.get("lanes", {})
        told = [f"{lane}: {info['weights']} ({info['runtime']}, {info['precision']})" for lane, info in lanes.items()]
        return [f"Measured with {'; '.join(told)}; seed {self.settings['seed']}."] if told else []

    def _section(self, source: str, methods: Sequence[str] | None = None) -> list[str]:
        parts = [HEADS["gains"], tables.markdown(self.gains(source, methods))]
        people = self.people(source)
        return parts if people is None else [*parts, HEADS["people"], tables.markdown(people)]


HEADS = {
    "gains": "Over bicubic on the same faces (bicubic: its own figures; high freq. and ms: each method's own):",
    "people": "Over bicubic by groups of people, with 95 % confidence intervals:",
}

_LEGEND = f"""Every method makes the spoiled picture twice as wide and high; measured is the face alone, against the \
photograph or the clip as it was. Widths are those of the face's box in the small picture.

- PSNR, SSIM, HaarPSI (1 is best): on luma (BT.601).
- identity: cosine of a face network's embeddings of the restored and the true face.
- high freq.: power of the Hann-windowed luma spectrum between 1/4 and 3/4 of Nyquist's frequency, over the truth's; \
1 is best, and noise counts, too.
- flicker: mean absolute difference between the temporal differences and the truth's, in levels of 255; less is better.
- ms a face: the median of what the method itself takes, without cutting out and laying on.
- dB +, SSIM +, identity +: over bicubic on the same faces. Heavy methods see fewer ("1 of 3"): compare them by these.
- Pictures: every photograph in every width, by the middle of the training's ranges as an inter frame of a clip; \
"sharp" is without the lens's blur.
- Clips: slightly blurred (sigma {BLUR["sharp"]} px; "soft": {BLUR["soft"]} px) and noised ({NOISE:g} of 255), H.264 \
at CRF {CRF:g}, decoded and sent through the pipeline of `facelane process`.
- Groups: each expert on the widths of its own lane; a person's value is the mean over their faces, intervals are \
drawn over people (percentile bootstrap; none under {FEWEST} people). "worse by": the figures by which a group gains \
clearly less than all others together (by {CLEAR["psnr"]:g} dB, {CLEAR["ssim"]:g} of SSIM or {CLEAR["identity"]:g} of \
identity or more) and chance aside (the whole interval is below 0); one in forty is so by chance. Skin tone is the \
individual typology angle of both cheeks in the true picture ({TONES[0][0]} over {TONES[0][1]:g}, {TONES[1][0]} over \
{TONES[1][1]:g} degrees, {TONES[2][0]} below): it follows the light of the picture, too."""
