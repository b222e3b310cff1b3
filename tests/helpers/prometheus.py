"""A real Prometheus server on loopback, with data of its own, for as long as a test lasts."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.helpers.peers import free_port, program

PATIENCE_SECONDS = 30.0


class Prometheus:
    """`ask` evaluates an expression now: (labels, value) of each series. Raises AssertionError with what the server
    says where it refuses."""

    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}"

    def ask(self, expression: str) -> list[tuple[dict[str, str], float]]:
        found = self._get("/api/v1/query", query=expression)["data"]["result"]
        return [(series["metric"], float(series["value"][1])) for series in found]

    def ask_until(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Asks until there is an answer that isn't empty or NaN."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := [(labels, value) for labels, value in self.ask(expression) if value == value]):
            assert time.monotonic() < deadline, f"no answer to {expression}; targets: {self.targets()}"
            time.sleep(0.2)
        return found

    def targets(self) -> list[dict[str, Any]]:
        targets: list[dict[str, Any]] = self._get("/api/v1/targets")["data"]["activeTargets"]
        return targets

    def rules(self) -> list[dict[str, Any]]:
        groups = self._get("/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._root}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def _get(self, path: str, **words: str) -> Any:
        address = f"{self._root}{path}?{urllib.parse.urlencode(words)}"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{words or path}: {error.read().decode()}") from error


@contextmanager
def prometheus(config: Path) -> Iterator[Prometheus]:
    """Runs the server with this configuration; its data and its log lie beside it."""
    port = free_port()
    command: list[str | Path] = [
        program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={config.parent / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    log_path = config.parent / "prometheus.log"
    with log_path.open("w") as log, subprocess.Popen(command, stdout=log, stderr=log, cwd=config.parent) as process:
        try:
            server = Prometheus(port)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not server.is_ready():
                assert process.poll() is None, log_path.read_text()
                assert time.monotonic() < deadline, log_path.read_text()
                time.sleep(0.1)
            yield server
        finally:
            process.terminate()
