"""What the service tells Prometheus: every live stream's series, and the process's own."""

from __future__ import annotations

import platform
import time
from threading import Lock

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, disable_created_metrics, generate_latest

from streamer import __version__
from streamer.live.families import Families
from streamer.live.meter import Clock, StreamMeter


class LiveMetrics:
    """All metrics of one service, in a registry of its own, so that tests can build many. Thread-safe.

    `clock`: monotonic seconds.
    """

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        # A second series beside every counter, that nobody here asks for; the library has this switch for all only.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library left out its `-> None`
        self._clock = clock
        self._registry = CollectorRegistry()
        self._families = Families(self._registry)
        self._open: set[str] = set()
        self._lock = Lock()
        _describe_process(self._registry)
        streams = Gauge("facelane_streams", "Streams that exist, live or not.", registry=self._registry)
        streams.set_function(lambda: len(self._open))

    def stream(self, name: str) -> StreamMeter:
        """A meter for the stream `name`; close it when the stream is removed. Raises ValueError while there is one."""
        with self._lock:
            if name in self._open:
                raise ValueError(f"the stream {name!r} has a meter already; close that first")
            self._open.add(name)
        return StreamMeter(self._families, name, clock=self._clock, on_close=lambda: self._forget(name))

    def render(self) -> bytes:
        """All metrics in Prometheus' text format, version 0.0.4. Takes milliseconds: off the event loop, please."""
        return generate_latest(self._registry)

    def _forget(self, name: str) -> None:
        with self._lock:
            self._open.discard(name)


def _describe_process(registry: CollectorRegistry) -> None:
    ProcessCollector(registry=registry)
    build = Gauge("facelane_build_info", "1; what runs here.", ("version", "python"), registry=registry)
    build.labels(__version__, platform.python_version()).set(1)
