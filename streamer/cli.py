"""The command line: words to settings to the app, and each room's errors to exit codes. Nothing else.

Exit codes: 0 done; 1 something unforeseen; the rest as in `streamer.errors`.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from rich.console import Console

from streamer import __version__
from streamer.aio import SIGNALS, Interrupted
from streamer.errors import (
    EXIT_BY_SIGNAL,
    EXIT_DAMAGED,
    EXIT_UNREAD,
    EXIT_WEIGHTS,
    FacelaneError,
    ProcessingError,
    UsageError,
)

logger = logging.getLogger(__name__)

SCALES = (1, 2, 4)
ROOMS = ("streamer", "routing", "experts", "blending", "weights", "web", "__main__")


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, as every other error does."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


class _Ended(KeyboardInterrupt):
    """A signal outside the main job's loop; of Ctrl-C's kind, since libraries let that pass."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run() -> NoReturn:
    """The program: `main`, and whatever signal comes ends it in good order, even while libraries are imported."""
    for number in SIGNALS:
        signal.signal(number, _end)
    sys.exit(main())


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    _ignore_signals()
    raise _Ended(number)


def _ignore_signals() -> None:
    """Impatience must not turn an ending in good order into one without."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    try:
        arguments = _parser().parse_args(argv)
        _set_up_logging(arguments.verbose)
        return int(arguments.run(arguments))
    except (_Ended, Interrupted) as ending:
        return _say_ended(ending.number)
    except FacelaneError as error:
        return _say_error(error, error.exit_code)
    except Exception as error:
        code = _exit_code_of_room(error)
        if code is None:
            raise
        return _say_error(error, code)


def _say_ended(number: int) -> int:
    _ignore_signals()
    how = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
    _errors().print(f"facelane: {how}; nothing was left behind")
    return EXIT_BY_SIGNAL + number


def _say_error(error: Exception, code: int) -> int:
    logger.debug("the whole story", exc_info=error)
    _errors().print(f"facelane: error: {error}")
    return code


def _errors() -> Console:
    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def _exit_code_of_room(error: Exception) -> int | None:
    """The exit code for the root errors of the rooms below; None for what is nobody's."""
    from blending.blender import BlendingError
    from experts.contract import ExpertError
    from routing.types import RoutingError
    from weights.store import WeightsError

    if isinstance(error, WeightsError):
        return EXIT_WEIGHTS
    if isinstance(error, BlendingError | ExpertError | RoutingError):
        return ProcessingError.exit_code
    return None


def _set_up_logging(verbose: bool) -> None:
    """Our own rooms say more where that is wanted; libraries would bury it."""
    logging.basicConfig(level=logging.WARNING, format="facelane: %(levelname)s: %(message)s")
    for room in ROOMS:
        logging.getLogger(room).setLevel(logging.DEBUG if verbose else logging.WARNING)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="facelane", description="Finds the faces of a film and restores each as it needs.")
    parser.add_argument("--version", action="version", version=f"facelane {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    _add_process(commands)
    _add_probe(commands)
    _add_simple(commands, "doctor", "say what is installed, present and missing, and what to do", _doctor)
    _add_demo(commands)
    return parser


def _command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + "."
    )
    command.add_argument("-v", "--verbose", action="store_true", help="say more about what is going on")
    command.add_argument("--config", type=Path, metavar="FILE", help="settings (as config.toml of the repository)")
    return command


def _add_process(commands: Any) -> None:
    command = _command(commands, "process", "enhance a film and write it to a file")
    command.add_argument("input", type=Path, metavar="INPUT")
    command.add_argument(
        "output", type=Path, metavar="OUTPUT", help="its ending chooses the container: .mp4, .mkv, ..."
    )
    command.add_argument("--scale", type=int, choices=SCALES, help="enlarge the picture so many times (default 2)")
    command.add_argument("--blend", choices=("multiband", "poisson", "feather"), help="how faces are laid on")
    command.add_argument("--background", choices=("bicubic", "lanczos"), help="how the rest is enlarged")
    command.add_argument(
        "--compare", action="store_true", help="also write the film only scaled, and both side by side"
    )
    command.add_argument("--overlay", action="store_true", help="draw boxes, ids, widths, sharpness and lanes")
    command.add_argument("--report", type=Path, metavar="FILE", help="write the run's figures as JSON")
    command.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    command.add_argument("--codec", help="h264 (default), hevc, av1, vp9, ffv1")
    command.add_argument("--quality", type=int, metavar="N", help="0 (lossless) to 51, on H.264's scale; default 18")
    command.add_argument("--preset", help="the encoder's preset: slower is smaller")
    command.add_argument("-q", "--quiet", action="store_true", help="no progress bar and no table")
    command.set_defaults(run=_process)


def _add_probe(commands: Any) -> None:
    command = _command(commands, "probe", "tell what a film is and which faces are in it")
    command.add_argument("input", type=Path, metavar="INPUT")
    command.add_argument("--frames", type=int, default=24, metavar="N", help="look at N frames, evenly spread (24)")
    command.set_defaults(run=_probe)


def _add_demo(commands: Any) -> None:
    command = _command(commands, "demo", "fetch free sample media, enhance them and show the result")
    command.add_argument("folder", type=Path, nargs="?", default=Path("demo"), help="where the films go (demo)")
    command.set_defaults(run=_demo)


def _add_simple(commands: Any, name: str, text: str, run: Any) -> None:
    _command(commands, name, text).set_defaults(run=run)


def _overrides(arguments: argparse.Namespace) -> dict[str, object]:
    """The settings that flags name, as a nested table."""
    output = {
        key: getattr(arguments, key) for key in ("codec", "quality", "preset") if getattr(arguments, key) is not None
    }
    table: dict[str, object] = {"output": output}
    if arguments.scale is not None:
        table["scale"] = arguments.scale
    if arguments.blend is not None:
        table["blending"] = {"method": arguments.blend}
    if arguments.background is not None:
        table["background"] = {"method": arguments.background}
    return table


def _process(arguments: argparse.Namespace) -> int:
    from streamer.app import Job, process_file
    from streamer.config import load_settings
    from streamer.report import print_table

    settings = load_settings(arguments.config, environment=os.environ, overrides=_overrides(arguments))
    job = Job(
        input=arguments.input,
        output=arguments.output,
        compare=arguments.compare,
        overlay=arguments.overlay,
        report=arguments.report,
        overwrite=arguments.overwrite,
    )
    report = process_file(job, settings, progress=None if arguments.quiet else Console(stderr=True), say=_say)
    _say_notes(report)
    if not arguments.quiet:
        print_table(report, _console())
    return _say_damage(report["damaged"])


class _ResultConsole(Console):
    def on_broken_pipe(self) -> NoReturn:
        """Whoever read our output went away (`facelane probe x | head`): nothing more can be said, nothing is wrong."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(EXIT_UNREAD)


def _console() -> Console:
    """For results. No markup: names of files and streams hold brackets."""
    return _ResultConsole(highlight=False, markup=False)


def _say(words: str) -> None:
    _errors().print(f"facelane: {words}")


def _say_notes(report: dict[str, Any]) -> None:
    for note in report["notes"]:
        _errors().print(f"facelane: note: {note}")


def _say_damage(damaged: str | None) -> int:
    """Warns of a damaged input, and returns the exit code for it."""
    if damaged is None:
        return 0
    _errors().print(f"facelane: warning: {damaged}")
    return EXIT_DAMAGED


def _probe(arguments: argparse.Namespace) -> int:
    from streamer.app import probe_file
    from streamer.config import load_settings
    from streamer.survey import print_survey

    if arguments.frames < 1:
        raise UsageError(f"--frames {arguments.frames}: look at 1 frame or more")
    settings = load_settings(arguments.config, environment=os.environ, overrides={})
    probed = probe_file(arguments.input, settings, frames=arguments.frames, say=_say)
    print_survey(probed.info, probed.survey, _console())
    return _say_damage(probed.damaged)


def _doctor(arguments: argparse.Namespace) -> int:
    from streamer.config import load_settings
    from streamer.doctor import main_table

    settings = load_settings(arguments.config, environment=os.environ, overrides={})
    return main_table(_console(), runtime=settings.runtime, weights=settings.weights, experts=settings.experts)


def _demo(arguments: argparse.Namespace) -> int:
    from streamer.app import run_demo
    from streamer.config import load_settings
    from streamer.report import print_table

    settings = load_settings(arguments.config, environment=os.environ, overrides={})
    console = _console()
    report = run_demo(arguments.folder, settings, console, say=_say)
    _say_notes(report)
    print_table(report, console)
    console.print(f"\nOpen {arguments.folder / 'enhanced.side-by-side.mp4'} to see the difference.")
    return 0


if __name__ == "__main__":
    run()
