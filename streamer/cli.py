"""The command line: words to settings to the app, and each room's errors to exit codes. Nothing else.

Exit codes: 0 done; 1 something unforeseen; 2 to 10 as in `streamer.errors`; 9 weights; 11 the input was damaged, and
what could be decoded was processed; 130 interrupted by Ctrl-C; 143 ended by SIGTERM.
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
from streamer.errors import EXIT_DAMAGED, EXIT_INTERRUPTED, EXIT_WEIGHTS, FacelaneError, ProcessingError, UsageError

EXIT_TERMINATED = 143
SCALES = (1, 2, 4)


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, as every other error does."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


class _Terminated(Exception):  # noqa: N818 - a wish, not an error
    pass


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    try:
        arguments = _parser().parse_args(argv)
        _set_up_logging(arguments.verbose)
        signal.signal(signal.SIGTERM, _on_sigterm)
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        errors.print("facelane: interrupted; nothing was left behind")
        return EXIT_INTERRUPTED
    except _Terminated:
        errors.print("facelane: ended by SIGTERM; nothing was left behind")
        return EXIT_TERMINATED
    except BrokenPipeError:
        # The reader of our output went away (`facelane probe x | head`): no error, but nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except FacelaneError as error:
        errors.print(f"facelane: error: {error}")
        return error.exit_code
    except Exception as error:
        code = _exit_code_of_room(error)
        if code is None:
            raise
        errors.print(f"facelane: error: {error}")
        return code


def _exit_code_of_room(error: Exception) -> int | None:
    """The exit code for the root errors of the rooms below; None for what is nobody's."""
    from experts.contract import ExpertError
    from routing.types import RoutingError
    from weights.store import WeightsError

    if isinstance(error, WeightsError):
        return EXIT_WEIGHTS
    if isinstance(error, ExpertError | RoutingError):
        return ProcessingError.exit_code
    return None


def _on_sigterm(_signum: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated


def _set_up_logging(verbose: bool) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="facelane: %(levelname)s: %(message)s"
    )


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
    command.add_argument("--quality", type=int, metavar="N", help="the codec's CRF: lower is better and larger")
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
    report = process_file(job, settings, progress=None if arguments.quiet else Console(stderr=True))
    _say_notes(report)
    if not arguments.quiet:
        print_table(report, Console(highlight=False))
    return EXIT_DAMAGED if report["damaged"] else 0


def _say_notes(report: dict[str, Any]) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    for note in report["notes"]:
        console.print(f"facelane: note: {note}")
    if report["damaged"]:
        console.print(f"facelane: warning: {report['damaged']}")


def _probe(arguments: argparse.Namespace) -> int:
    from streamer.app import probe_file
    from streamer.config import load_settings
    from streamer.survey import print_survey

    if arguments.frames < 1:
        raise UsageError(f"--frames {arguments.frames}: look at 1 frame or more")
    settings = load_settings(arguments.config, environment=os.environ, overrides={})
    info, found = probe_file(arguments.input, settings, frames=arguments.frames)
    print_survey(info, found, Console(highlight=False))
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from streamer.config import load_settings
    from streamer.doctor import main_table

    settings = load_settings(arguments.config, environment=os.environ, overrides={})
    return main_table(Console(highlight=False), runtime=settings.runtime, weights=settings.weights)


def _demo(arguments: argparse.Namespace) -> int:
    from streamer.app import run_demo
    from streamer.config import load_settings

    settings = load_settings(arguments.config, environment=os.environ, overrides={})
    return run_demo(arguments.folder, settings, Console(highlight=False))


if __name__ == "__main__":
    sys.exit(main())
