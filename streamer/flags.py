"""The words of the command line: every command with its arguments, and which setting a flag outranks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NoReturn

from streamer import __version__
from streamer.bench_flags import add_bench
from streamer.errors import UsageError
from streamer.parsers import Parser, add_command, add_fidelity

SCALES = (1, 2, 4)
EXPERTS = ("transformer", "frequency", "background")
# The setting that each flag gives, by the flag's name.
SETTINGS = {
    "scale": "scale",
    "blend": "blending.method",
    "background": "background.method",
    "fidelity": "experts.fidelity",
    "expert": "experts.every",
    "judge": "identity.judge",
    "mark": "output.mark",
    "codec": "output.codec",
    "quality": "output.quality",
    "preset": "output.preset",
    "host": "web.host",
    "port": "web.port",
    "open_to_all": "web.open_to_all",
}


NO_TOKEN = (
    "everybody on this machine can read a command line: put the token into FACELANE_WEB__TOKEN, "
    "or as token into [web] of a settings file"
)
NO_METRICS = (
    "--metrics measures a film once it is done: take facelane process for that; while a live stream runs, "
    "--judge NAME measures whether restored faces are still the same persons"
)


class _Refused(argparse.Action):
    """An option that people look for and that is not there; `const` says why, and what to do."""

    def __call__(self, parser: object, namespace: object, values: object, option_string: str | None = None) -> NoReturn:
        raise UsageError(str(self.const))


def parse(argv: list[str]) -> argparse.Namespace:
    """The arguments of one command, whose name is in `command`. Raises UsageError; ends the program after --help."""
    parser = Parser(
        prog="facelane", description="Finds the faces of a film or a live stream and restores each as it needs."
    )
    parser.add_argument("--version", action="version", version=f"facelane {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for add in (
        _add_process,
        _add_serve,
        _add_watch,
        _add_probe,
        _add_train,
        add_bench,
        _add_weights,
        _add_doctor,
        _add_demo,
    ):
        add(commands)
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        # argparse would send to the help of the whole program, which doesn't know the command's options.
        commands.choices[arguments.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    return arguments


def overrides(arguments: argparse.Namespace) -> dict[str, object]:
    """The settings that flags give, as a nested table."""
    table: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        value = getattr(arguments, name, None)
        if value is not None:
            *above, key = setting.split(".")
            place = table
            for part in above:
                place = place.setdefault(part, {})
            place[key] = value
    return table


def origins() -> dict[str, str]:
    """The flag that gives each setting, to be named where its value is wrong."""
    return {setting: f"--{name.replace('_', '-')}" for name, setting in SETTINGS.items()}


def _add_process(commands: Any) -> None:
    command = add_command(commands, "process", "enhance a film and write it to a file")
    command.add_argument("input", type=Path, metavar="INPUT")
    _add_output(command)
    _add_picture(command, "enlarge the picture so many times (default 2)")
    command.add_argument(
        "--compare", action="store_true", help="also write the film only scaled, and both side by side"
    )
    command.add_argument("--overlay", action="store_true", help="draw boxes, ids, widths, sharpness and lanes")
    text = "also measure, after the film, how much restoration changed a sample of its faces"
    command.add_argument("--metrics", action="store_true", help=text)
    _add_encoder(command)
    command.add_argument("-q", "--quiet", action="store_true", help="no progress bar and no table")


def _add_serve(commands: Any) -> None:
    command = add_command(commands, "serve", "show live streams, enhanced, in the browser")
    command.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="rtsp://..., rtmp://, srt://, http://, /dev/video0 or a film, which is played as if it were live; "
        "NAME=SOURCE to choose the stream's name",
    )
    command.add_argument("--host", help="listen on this address (default 127.0.0.1: this machine alone)")
    command.add_argument("--port", type=int, metavar="N", help="listen on this port (default 8080; 0: any free one)")
    command.add_argument("--token", action=_Refused, nargs="?", const=NO_TOKEN, help=argparse.SUPPRESS)
    command.add_argument("--metrics", action=_Refused, nargs=0, const=NO_METRICS, help=argparse.SUPPRESS)
    command.add_argument(
        "--open-to-all",
        action="store_const",
        const=True,
        help="let everybody in who reaches --host, without a token; a token is set by FACELANE_WEB__TOKEN",
    )
    _add_picture(command, "enlarge pictures so many times at most (default 2)")


def _add_watch(commands: Any) -> None:
    command = add_command(commands, "watch", "enhance a live stream and write it to a file until Ctrl-C")
    command.add_argument("source", metavar="SOURCE", help="as for serve: rtsp://..., /dev/video0, a film, ...")
    _add_output(command)
    command.add_argument("--duration", type=float, metavar="SECONDS", help="end so long after the first picture")
    command.add_argument("--metrics", action=_Refused, nargs=0, const=NO_METRICS, help=argparse.SUPPRESS)
    _add_picture(command, "enlarge the picture so many times at most (default 2)")
    _add_encoder(command)
    command.add_argument("-q", "--quiet", action="store_true", help="no line of progress")


def _add_probe(commands: Any) -> None:
    command = add_command(commands, "probe", "tell what a film is and which faces are in it")
    command.add_argument("input", type=Path, metavar="INPUT")
    command.add_argument("--frames", type=int, default=24, metavar="N", help="look at N frames, evenly spread (24)")


def _add_train(commands: Any) -> None:
    command = add_command(commands, "train", "make an expert's weights from a folder of face photographs")
    command.add_argument("subject", choices=EXPERTS, metavar="EXPERT", help=", ".join(EXPERTS))
    command.add_argument(
        "--faces", type=Path, required=True, metavar="FOLDER", help="photographs; its faces.csv is honoured, if any"
    )
    command.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="for weights, checkpoints, log and samples"
    )
    command.add_argument(
        "--stage", metavar="NAME", help="faithful or crisp, or a TOML file that states one (default: all in turn)"
    )
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: CUDA if there")
    text = "a face network (MobileFaceNet) that measures identity; a stage that weighs identity needs it"
    command.add_argument("--identity", type=Path, metavar="ONNX", help=text)
    command.add_argument(
        "--minutes", type=float, metavar="M", help="end this run after M minutes; the same command goes on from there"
    )
    command.add_argument("-q", "--quiet", action="store_true", help="no progress bar")


def _add_weights(commands: Any) -> None:
    outer: argparse.ArgumentParser = commands.add_parser(
        "weights", help="list, fetch and check networks, and their licences", description="What networks are made of."
    )
    whats = outer.add_subparsers(dest="what", required=True, metavar="WHAT", parser_class=Parser)
    add_command(whats, "list", "list all weights: size, where they are, licence, what for")
    pull = add_command(whats, "pull", "fetch weights; a fetch that broke off goes on where it was")
    pull.add_argument("names", nargs="+", metavar="NAME")
    _add_accept(pull)
    verify = add_command(whats, "verify", "read every byte of the weights that are here, and compare")
    verify.add_argument("names", nargs="*", metavar="NAME", help="only these (default: all that are here)")
    path = add_command(whats, "path", "print the folder of fetched weights, or where one file is")
    path.add_argument("name", nargs="?", metavar="NAME")
    add_command(whats, "licences", "list under which terms weights may be used, and who accepted them")
    bring = add_command(whats, "import", "take weights from a file that you have")
    bring.add_argument("name", metavar="NAME")
    bring.add_argument("file", type=Path, metavar="FILE")
    _add_accept(bring)


def _add_accept(command: argparse.ArgumentParser) -> None:
    text = "you accept the terms of these weights (see `facelane weights licences`); remembered beside them"
    command.add_argument("--accept-licence", action="append", default=[], metavar="NAME", help=text)


def _add_doctor(commands: Any) -> None:
    add_command(commands, "doctor", "say what is installed, present and missing, and what to do")


def _add_demo(commands: Any) -> None:
    command = add_command(commands, "demo", "fetch free sample media, enhance them and show the result")
    command.add_argument("folder", type=Path, nargs="?", default=Path("demo"), help="where the films go (demo)")


def _add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "output", type=Path, metavar="OUTPUT", help="its ending chooses the container: .mp4, .mkv, ..."
    )
    command.add_argument("--report", type=Path, metavar="FILE", help="write the run's figures as JSON")
    command.add_argument("--overwrite", action="store_true", help="replace outputs that exist")


def _add_picture(command: argparse.ArgumentParser, scale: str) -> None:
    command.add_argument("--scale", type=int, choices=SCALES, help=scale)
    command.add_argument("--blend", choices=("multiband", "poisson", "feather"), help="how faces are laid on")
    text = (
        "how the rest is enlarged: bicubic, lanczos, compact, realesrgan-x4plus, ..., or a network's .pth, .safetensors"
    )
    command.add_argument("--background", metavar="NAME", help=text)
    command.add_argument(
        "--expert", metavar="NAME", help="restore every face of 50 px and more by this one: gfpgan, ..."
    )
    add_fidelity(command)
    text = "measure whether restored faces are still the same persons, and hold back those that are not: dlib, arcface"
    command.add_argument("--judge", metavar="NAME", help=text)
    text = "say in a corner of the picture that it was enhanced"
    command.add_argument("--mark", action="store_const", const=True, help=text)


def _add_encoder(command: argparse.ArgumentParser) -> None:
    command.add_argument("--codec", help="h264 (default), hevc, av1, vp9, ffv1")
    command.add_argument("--quality", type=int, metavar="N", help="0 (lossless) to 51, on H.264's scale; default 18")
    command.add_argument("--preset", help="the encoder's preset: slower is smaller")
