"""The programs that tests talk to, as Debian has them. A missing one fails a test; it never skips it."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

PACKAGES = {"promtool": "prometheus", "prometheus": "prometheus", "chromium": "chromium"}


def program(name: str) -> Path:
    """Where the program is; fails the test, saying how to install it, where it isn't."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(
            f"{name} is not here: `make peers` says how to install it ({PACKAGES[name]} on Debian)", pytrace=False
        )
    return Path(found)


def free_port() -> int:
    """A TCP port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
