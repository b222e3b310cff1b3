"""What the import contracts in pyproject.toml can't say, and that they say what they should."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("streamer", "experts", "routing", "blending", "weights", "web")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
MAX_LINES = 300


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def where(path: Path) -> str:
    return str(path.relative_to(ROOT))


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line.partition(";")[0].strip().split("==") for line in lines if line and not line.startswith("#")]
    return {normal(name): version for name, version in pins}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_roof_stands_over_strangers() -> None:
    layers = next(each for each in PROJECT["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    assert layers["layers"] == ["streamer", "routing | experts", "weights | blending | web"]
    assert set(PROJECT["tool"]["importlinter"]["root_packages"]) == set(ROOMS)


def test_the_wheel_holds_every_room() -> None:
    assert set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(ROOMS)
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert found == set(ROOMS)


def test_only_the_session_maker_speaks_to_the_runtime() -> None:
    users = {where(path) for path in MODULES if any(name.split(".")[0] == "openvino" for name in imported(path))}
    assert users == {"weights/openvino_session.py", "weights/openvino_items.py"}


def test_the_product_needs_nothing_of_the_development_data() -> None:
    training = ROOT / "experts" / "training"
    for path in MODULES:
        if training not in path.parents:
            assert not re.search(r"\bshared/", path.read_text("utf-8")), where(path)


def faults(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ExceptHandler):
        if node.type is None:
            yield "a bare except"
        if all(isinstance(step, ast.Pass) for step in node.body):
            yield "an error swallowed"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
        yield "print in a library: use the module's logger"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and takes_anything(node.args.kwarg):
        yield "** of any type lets a typo pass"


def takes_anything(words: ast.arg | None) -> bool:
    return words is not None and (words.annotation is None or ast.unparse(words.annotation) in ("Any", "object"))


@pytest.mark.parametrize("path", MODULES, ids=where)
def test_modules_are_small_and_keep_to_the_rules(path: Path) -> None:
    source = path.read_text("utf-8")
    assert len(source.splitlines()) <= MAX_LINES, "split it"
    found = [(node, fault) for node in ast.walk(ast.parse(source)) for fault in faults(node)]
    assert [f"line {getattr(node, 'lineno', 0)}: {fault}" for node, fault in found] == []


def test_every_requirement_is_pinned_and_the_pins_agree() -> None:
    project = PROJECT["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    pins = pinned()
    for requirement in wanted:
        name = re.split(r"[<>=!~\[ ;]", requirement, maxsplit=1)[0]
        # An extra may take in another of this project's own.
        assert normal(name) in {*pins, project["name"]}, f"{name} has no line in constraints.txt"
    (build,) = PROJECT["build-system"]["requires"]
    assert build == f"hatchling=={pins['hatchling']}"


def test_no_file_names_a_package_index() -> None:
    hosts = re.compile(r"https?://[^\s\"']*(pypi|pythonhosted|simple/)", re.IGNORECASE)
    for path in [*MODULES, *(ROOT / name for name in ("Makefile", "pyproject.toml", "constraints.txt", ".ci/run"))]:
        assert not hosts.search(path.read_text("utf-8")), where(path)
