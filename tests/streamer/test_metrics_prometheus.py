"""A real Prometheus scrapes the metrics by the configuration in the repository, and answers what the dashboard asks."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamer.live.meter import StreamMeter
from streamer.metrics import LiveMetrics
from tests.helpers.metered import frame_through, live_through_everything, route
from tests.helpers.prometheus import Prometheus, prometheus
from tests.helpers.studio import DemoStudio
from web.server import Server
from web.settings import WebSettings

OPS = Path(__file__).parents[2] / "web" / "ops"
TOKEN = "only-the-scraper-knows-this"
VARIABLES = {"$instance": ".*", "$stream": ".*", "$__rate_interval": "4s"}


class MeteredStudio(DemoStudio):
    """The web's stand-in for a studio, with real metrics."""

    def __init__(self, metrics: LiveMetrics) -> None:
        super().__init__("door")
        self._metrics = metrics

    def metrics(self) -> bytes:
        return self._metrics.render()


@contextmanager
def served(metrics: LiveMetrics) -> Iterator[int]:
    """The port of a real server that shows the metrics to whoever has the token."""
    ports: queue.Queue[int] = queue.Queue()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        studio = MeteredStudio(metrics)
        server = Server(studio, WebSettings(port=0, token=TOKEN))
        await server.start()
        ports.put(int(server.url.rpartition(":")[2]))
        await stop.wait()
        await server.aclose()
        await studio.aclose()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        yield ports.get(timeout=10)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@contextmanager
def feeding(meter: StreamMeter) -> Iterator[None]:
    """About 50 frames a second with a latency of 50 ms, one in 50 of 300 ms."""
    stop = threading.Event()

    def feed() -> None:
        number = 0
        while not stop.wait(0.02):
            frame_through(meter, route(), latency_seconds=0.3 if number % 50 == 0 else 0.05)
            number += 1
            if number % 10 == 0:
                live_through_everything(meter)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus by the repository's own configuration, but for the port and for how often it looks."""
    folder = tmp_path_factory.mktemp("prometheus")
    metrics = LiveMetrics()
    with served(metrics) as port, feeding(metrics.stream("door")):
        config = (OPS / "prometheus.yml").read_text().replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        (folder / "prometheus.yml").write_text(config.replace("scrape_interval: 5s", "scrape_interval: 500ms"))
        (folder / "facelane.rules.yml").write_text((OPS / "facelane.rules.yml").read_text())
        (folder / "facelane.token").write_text(TOKEN)
        with prometheus(folder / "prometheus.yml") as server:
            server.ask_until('rate(facelane_frames_in_total{stream="door"}[4s])')
            time.sleep(4)  # the window of the questions below
            yield server


def test_it_is_scraped_with_the_token(scraped: Prometheus) -> None:
    target = scraped.targets()[0]
    assert (target["health"], target["lastError"]) == ("up", "")
    assert scraped.ask('up{job="facelane"}')[0][1] == 1


def test_the_rate_of_frames_is_answered(scraped: Prometheus) -> None:
    [(labels, rate)] = scraped.ask("sum by (stream) (rate(facelane_frames_in_total[4s]))")
    [(_, told)] = scraped.ask("facelane_input_frame_rate_hertz")
    assert labels == {"stream": "door"}
    assert 5 < rate < 60
    # Two ways to the same figure: what Prometheus counts, and what the meter says of itself.
    assert rate == pytest.approx(told, rel=0.35)


def test_quantiles_of_the_latency_are_answered(scraped: Prometheus) -> None:
    question = "histogram_quantile({}, sum by (le) (rate(facelane_latency_seconds_bucket[4s])))"
    [(_, median)] = scraped.ask(question.format(0.5))
    [(_, most)] = scraped.ask(question.format(0.999))
    assert 0.03 < median <= 0.06
    assert 0.2 < most <= 0.3


def test_every_panel_gets_an_answer(scraped: Prometheus) -> None:
    unanswered = []
    for panel in json.loads((OPS / "facelane.dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            if not scraped.ask(expression.replace("[1h]", "[4s]")):
                unanswered.append((panel["title"], expression))
    assert unanswered == []


def test_the_rules_are_loaded_and_evaluated(scraped: Prometheus) -> None:
    rules = scraped.rules()
    assert len(rules) == 9
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    assert not [rule for rule in rules if rule.get("lastError")]
