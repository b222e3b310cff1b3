"""`facelane serve` as users run it: a process of its own, with a port and a configuration of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families

from tests.helpers.peers import free_port

START_SECONDS = 60.0
STOP_SECONDS = 20.0
HERTZ = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")

CONFIG = """
[network]
retry_first_seconds = 0.3
retry_max_seconds = 1.0

[web]
port = {port}
"""


class Service:
    """Serves `streams` (name to source) until the context ends; `folder` takes its configuration and its log.

    `settings`: further TOML for the configuration. Fails, with the log, where the server doesn't come up or ends badly.
    """

    def __init__(self, folder: Path, streams: Mapping[str, str], *, settings: str = "") -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = folder / "serve.log"
        self._config = folder / "serve.toml"
        entries = "".join(f'\n[[streams]]\nname = "{name}"\nsource = "{source}"\n' for name, source in streams.items())
        self._config.write_text(CONFIG.format(port=self.port) + settings + entries)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command: list[str | Path] = [Path(sys.executable).with_name("facelane"), "serve", "--config", self._config]
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(signal.SIGINT)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"it did not end within {STOP_SECONDS} s of Ctrl-C:\n{self.log()}") from error
        if error is None:
            assert code in (0, 128 + signal.SIGINT), f"it ended with {code}:\n{self.log()}"

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def get(self, path: str) -> bytes:
        """Raises urllib.error.HTTPError for what is no success."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
            body: bytes = answer.read()
        return body

    def status(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.get(f"/api/streams/{name}"))
        return status

    def until(self, name: str, *, seconds: float = 30.0, **wanted: Any) -> dict[str, Any]:
        """Waits for a status whose fields are as wanted; the stream itself may still have to come to be."""
        deadline = time.monotonic() + seconds
        while True:
            status = self._status_or_nothing(name)
            if status and all(status[field] == value for field, value in wanted.items()):
                return status
            assert time.monotonic() < deadline, f"no {wanted} in {seconds} s: {status}\n{self.log()}"
            time.sleep(0.1)

    def _status_or_nothing(self, name: str) -> dict[str, Any]:
        try:
            return self.status(name)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            error.close()
            return {}

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all samples of this name that have these labels."""
        families = text_string_to_metric_families(self.get("/metrics").decode())
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def cpu_seconds(self) -> float:
        """Of all its threads, in user and system mode, so far."""
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / HERTZ

    def memory_bytes(self) -> int:
        """What of it is in memory now."""
        return int(self._proc("statm").split()[1]) * PAGE

    def _proc(self, name: str) -> str:
        assert self._process is not None
        return Path(f"/proc/{self._process.pid}/{name}").read_text()

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            assert process.poll() is None, f"it ended with {process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"it is not ready after {START_SECONDS} s:\n{self.log()}"
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        try:
            return bool(self.get("/readyz"))
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
