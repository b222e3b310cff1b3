"""What a run of the bench leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import cv2

from experts.contract import ExpertError, Image
from experts.quality import plots
from experts.quality.methods import BICUBIC, ROUTED
from experts.quality.report import Report
from experts.quality.sheet import Sheet
from experts.training.files import write_whole
from streamer.bench_methods import MEANT_FOR
from streamer.machinery import Say
from streamer.media.target import writing

_ON_CARD = (BICUBIC, *MEANT_FOR, ROUTED)


def write(out: Path, report: Report, sheet: Sheet, say: Say) -> None:
    """quality.json, quality.md, card.md (the tables of a model card), sheet.png, and a plot for each kind of source.

    `say` is told of a plot that can't be drawn. Raises errors of `streamer.errors` where a file can't be written.
    """
    files = {
        "quality.json": (json.dumps(report.to_dict(), indent=2) + "\n").encode(),
        "quality.md": report.to_markdown().encode(),
        "card.md": report.to_card(_ON_CARD).encode(),
        "sheet.png": _png(sheet.picture()),
    }
    for source in report.sources:
        try:
            files[f"{source}.png"] = plots.draw(report.classes, source)
        except ExpertError as error:
            say(f"no plot of {source}: {error}")
    for name, content in files.items():
        with writing(out / name):
            write_whole(out / name, content)


def _png(picture: Image) -> bytes:
    written, content = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not written:
        raise ExpertError("the contact sheet could not be written as PNG")
    return content.tobytes()
