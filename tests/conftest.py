"""What all tests share: development data where it is, the real weights, and the rule about skips."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.cli import ROOMS
from weights.store import Store

SHARED = Path(os.environ.get("FACELANE_SHARED", Path(__file__).parents[2] / "shared"))

# These need basicsr, whose source archive, the only one there is, can't be built by later versions of Python.
NEED_BASICSR = ["experts/test_gfpgan.py", "experts/test_realesrgan.py", "streamer/test_every_face.py"]
collect_ignore = NEED_BASICSR if sys.version_info >= (3, 13) else []

_forbidden_skips: list[str] = []


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The development data beside the checkout; a test that asks for it is marked `shared`, and skips without it."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the shared development data is not here")
    return SHARED / "data"


@pytest.fixture(scope="session")
def store() -> Store:
    """The real weights, out of the user's cache, fetched once."""
    return Store()


@pytest.fixture(autouse=True)
def _levels_of_logging() -> Iterator[None]:
    """The command line sets how much our rooms say; what one test chose is not the next one's."""
    before = {room: logging.getLogger(room).level for room in ROOMS}
    yield
    for room, level in before.items():
        logging.getLogger(room).setLevel(level)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "shared_data" in getattr(item, "fixturenames", ()) and item.get_closest_marker("shared") is None:
            raise pytest.UsageError(f"{item.nodeid} uses shared_data: mark it @pytest.mark.shared")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # An expected failure is reported as skipped too, but says why it is expected.
    if report.skipped and not hasattr(report, "wasxfail") and "shared" not in report.keywords:
        _forbidden_skips.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _forbidden_skips.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _forbidden_skips and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for nodeid in _forbidden_skips:
        terminalreporter.write_line(f"FORBIDDEN SKIP {nodeid}: only tests marked `shared` may skip", red=True)
