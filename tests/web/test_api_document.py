"""`web/openapi.json`, and that the server does what it says."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from streamer.live.figures import MeterSnapshot
from streamer.live.ports import Cause, SourceState
from streamer.live.standing import Standing
from streamer.live.status import stream_status
from streamer.metrics import LiveMetrics
from tests.helpers.document import SPEC, errors, is_valid
from tests.helpers.http import BEARER, TOKEN, serving
from tests.helpers.studio import DemoStream, Shape
from web.api import DOCUMENT
from web.feeds import Status

ROOT = Path(__file__).parents[2]
SCHEMAS = SPEC["components"]["schemas"]
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def properties(schema: Any) -> Iterator[tuple[str, Any]]:
    """All properties of a schema and what is in it, by name."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for inner in schema.values():
            yield from properties(inner)


def test_the_document_is_openapi() -> None:
    OpenAPIV31SpecValidator(SPEC).validate()


def test_every_field_is_described() -> None:
    bare = [name for name, found in properties(SCHEMAS) if "description" not in found and "$ref" not in found]
    assert bare == []
    for operations in SPEC["paths"].values():
        assert all(operation["summary"] and operation["responses"] for operation in operations.values())


def described() -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, operations in SPEC["paths"].items() for method in operations}


def served() -> set[tuple[str, str]]:
    """What the server's routes answer. Where one takes every method, what it then says that it allows."""

    async def look() -> set[tuple[str, str]]:
        found = set()
        async with serving() as running:
            for route in running.server.app.router.routes():
                path = route.resource.canonical if route.resource is not None else ""
                found |= {(method, path) for method in (METHODS if route.method == "*" else {route.method})}
        return found

    return asyncio.run(look())


def test_every_route_is_in_the_document_and_the_reverse() -> None:
    def plain(routes: set[tuple[str, str]]) -> set[tuple[str, str]]:
        return {(method, path) for method, path in routes if not re.match("/wh[ie]p/", path) and method != "HEAD"}

    assert plain(served()) == plain(described())
    assert {path for _, path in served()} == {path for _, path in described()}


def test_what_the_document_lacks_is_refused() -> None:
    """Also of the routes that take every method and choose by themselves."""

    async def look() -> dict[tuple[str, str], int]:
        async with serving() as running:
            routes = {(method, path) for _, path in described() for method in METHODS - {"HEAD"}} - described()
            filled = {route: re.sub(r"{\w+}", "demo", route[1]) for route in routes}
            return {route: (await running.ask(route[0], path)).status for route, path in filled.items()}

    found = asyncio.run(look())
    assert len(found) > 30
    # Of a session that isn't there, every method is told so.
    assert {route: status for route, status in found.items() if status not in (405, 404)} == {}
    assert all(status == 405 for (_, path), status in found.items() if not path.endswith("{session}"))


def real_status(snapshot: MeterSnapshot, *, size: tuple[int, int] | None) -> Status:
    return stream_status(
        "door",
        kind="network",
        address="rtsp://camera/1",
        standing=Standing(wait_seconds=2.0),
        meter=snapshot,
        size=size,
        scale=2 if size else None,
        has_sound=False,
        decoder="h264 on cpu" if size else "",
        viewers=1,
        max_viewers=16,
        trouble="",
    )


def test_a_stream_is_what_the_document_says() -> None:
    """Of the demo's streams and of real ones."""

    async def demo() -> dict[str, Any]:
        stream = DemoStream("demo", Shape())
        try:
            return stream.status()
        finally:
            await stream.aclose()

    meter = LiveMetrics().stream("door")
    meter.frame_in()
    meter.dropped("late")
    meter.stage("queue", 0.001)
    meter.frame_out(latency_seconds=0.02, size_bytes=900, rendition="enhanced")
    real = [real_status(meter.snapshot(), size=None), real_status(meter.snapshot(), size=(640, 360))]
    meter.close()
    for status in [asyncio.run(demo()), *real]:
        assert errors("Stream", status) == []


def test_the_document_knows_every_state_and_cause() -> None:
    stream = SCHEMAS["Stream"]["properties"]
    assert stream["state"]["enum"] == [state.value for state in SourceState]
    assert stream["cause"]["enum"] == [cause.value for cause in Cause]


@pytest.mark.parametrize("name", ["Stream", "Streams", "NewStream", "Readiness", "Problem"])
def test_the_schemas_refuse_what_is_something_else(name: str) -> None:
    assert not is_valid(name, {})


def test_the_server_does_what_the_document_says(tmp_path: Path) -> None:
    """Schemathesis makes up some hundred requests, sound and unsound ones, and checks each answer: status, headers,
    type and schema; that what is sound is taken and what is not is refused; that nothing is shown after its removal."""
    config = ROOT / "tests" / "web" / "schemathesis.toml"
    hooks = {"SCHEMATHESIS_HOOKS": "tests.helpers.schemathesis_types", "PYTHONPATH": str(ROOT)}

    async def attempt() -> tuple[int | None, str]:
        async with serving(token=TOKEN) as running:
            words = ["--config-file", str(config), "run", str(DOCUMENT), "--url", running.server.url]
            process = await asyncio.create_subprocess_exec(
                str(Path(sys.executable).with_name("st")),
                *words,
                "--header",
                f"Authorization: {BEARER['Authorization']}",
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=tmp_path,
                env={**os.environ, **hooks},
            )
            said, _ = await process.communicate()
            return process.returncode, said.decode()

    status, said = asyncio.run(attempt())
    assert status == 0, said
    operations = sum(len(each) for each in SPEC["paths"].values())
    assert f"Tested: {operations}" in said, said
