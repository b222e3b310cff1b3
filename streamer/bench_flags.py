"""The words of `facelane bench`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from streamer.parsers import Parser, add_command, add_fidelity, comma_separated


def add_bench(commands: Any) -> None:
    outer: argparse.ArgumentParser = commands.add_parser(
        "bench", help="measure how good the results are", description="Measure how good the results are."
    )
    benches = outer.add_subparsers(dest="bench", required=True, metavar="WHAT", parser_class=Parser)
    for add in (_add_quality, _add_detectors, _add_gate, _add_devices):
        add(benches)


def _add_quality(benches: Any) -> None:
    command = add_command(benches, "quality", "compare the experts and known upscalers on spoiled faces, by width")
    command.add_argument(
        "sources",
        nargs="+",
        type=Path,
        metavar="SOURCE",
        help="a folder of face photographs (faces.csv honoured), a clip",
    )
    command.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="for the table, the contact sheet and the plots"
    )
    command.add_argument("--methods", type=comma_separated, default=(), metavar="A,B", help="only these (default: all)")
    command.add_argument("--limit", type=int, metavar="N", help="N photographs at most")
    command.add_argument(
        "--heavy", type=int, default=4, metavar="N", help="faces of each width and sharpness that slow methods see (4)"
    )
    command.add_argument("--general", type=Path, metavar="PARAM", help="Real-ESRGAN general-x4v3 in ncnn's form")
    command.add_argument("--identity", type=Path, metavar="ONNX", help="a face network (MobileFaceNet)")
    for name in ("transformer", "frequency"):
        command.add_argument(
            f"--{name}", type=Path, metavar="FILE", help=f"other weights for the {name} expert, at every fidelity"
        )
        command.add_argument(
            f"--{name}-crisp", type=Path, metavar="FILE", help="and crisp ones, to be mixed with those by --fidelity"
        )
    add_fidelity(command)
    command.add_argument(
        "--ranges", type=Path, metavar="TOML", help="spoil faces by the middle of this training's ranges"
    )
    command.add_argument("--seed", type=int, default=77, metavar="N", help="other faces' widths, noise and errors (77)")
    command.add_argument("-q", "--quiet", action="store_true", help="no progress bar and no table")


def _add_detectors(benches: Any) -> None:
    command = add_command(benches, "detectors", "compare what finds faces: the same pictures through each")
    command.add_argument("sources", nargs="+", type=Path, metavar="SOURCE", help="a clip, a folder of pictures")
    command.add_argument("--frames", type=int, default=24, metavar="N", help="look at N frames of each clip (24)")
    command.add_argument("--report", type=Path, metavar="FILE", help="write the figures as JSON")


def _add_devices(benches: Any) -> None:
    command = add_command(benches, "devices", "compare what networks can run on here: how near, how fast")
    command.add_argument(
        "sources", nargs="*", type=Path, metavar="SOURCE", help="a clip, a folder of pictures (default: the demo's)"
    )
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for devices.json and devices.md")
    command.add_argument("--frames", type=int, default=8, metavar="N", help="look at N frames of each clip (8)")
    command.add_argument(
        "--networks", type=comma_separated, default=(), metavar="A,B", help="only these (default: all)"
    )
    command.add_argument("--repeats", type=int, default=9, metavar="N", help="time each batch N times (9)")
    command.add_argument(
        "--strict", action="store_true", help="exit with 1 where something fails or differs by more than it may"
    )


def _add_gate(benches: Any) -> None:
    command = add_command(benches, "gate", "find the sharpness from which the frequency expert is the better one")
    command.add_argument("folder", type=Path, metavar="FOLDER", help="face photographs (faces.csv honoured)")
    command.add_argument("--limit", type=int, metavar="N", help="N photographs at most")
    command.add_argument("--report", type=Path, metavar="FILE", help="write the figures as JSON")
    add_fidelity(command)
    command.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
