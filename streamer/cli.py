"""The program: one command, its ending in good order, and each room's errors as exit codes. Nothing else.

Exit codes: 0 done; 1 something unforeseen; the rest as in `streamer.errors`.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from streamer.aio import SIGNALS, Interrupted, end_process
from streamer.commands import run as run_command
from streamer.consoles import errors
from streamer.errors import EXIT_BY_SIGNAL, EXIT_WEIGHTS, FacelaneError, ProcessingError
from streamer.flags import parse

logger = logging.getLogger(__name__)

ROOMS = ("streamer", "routing", "experts", "blending", "weights", "web", "__main__")


class _Ended(KeyboardInterrupt):
    """A signal outside the main job's loop; of Ctrl-C's kind, since libraries let that pass."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run() -> NoReturn:
    """The program: `main`, and whatever signal comes ends it in good order, even while libraries are imported."""
    for number in SIGNALS:
        signal.signal(number, _end)
    end_process(main())


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
        arguments = parse(list(sys.argv[1:] if argv is None else argv))
        _set_up_logging(arguments.verbose)
        return run_command(arguments)
    except Interrupted as ending:
        return _say_ended(ending.number, ending.left)
    except _Ended as ending:
        return _say_ended(ending.number, "nothing unfinished was left behind")
    except FacelaneError as error:
        return _say_error(error, error.exit_code)
    except Exception as error:
        code = _exit_code_of_room(error)
        if code is None:
            raise
        return _say_error(error, code)


def _say_ended(number: int, left: str) -> int:
    _ignore_signals()
    how = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
    errors().print(f"facelane: {how}; {left}")
    return EXIT_BY_SIGNAL + number


def _say_error(error: Exception, code: int) -> int:
    logger.debug("the whole story", exc_info=error)
    errors().print(f"facelane: error: {error}")
    return code


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


if __name__ == "__main__":
    run()
