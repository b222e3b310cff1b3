"""Packages of extras, imported when somebody wants them; what is missing or does not load is told in a line."""

from __future__ import annotations

import importlib
import importlib.util
import shlex
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

from weights.failures import reason

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
"""The versions that Facelane is tested with, where it runs from its source."""


def install_command(extra: str) -> str:
    """What installs an extra. Left to itself pip would take the newest torch along, gigabytes of CUDA with it."""
    if not CONSTRAINTS.is_file():
        return f"pip install 'facelane[{extra}]'"
    is_here = CONSTRAINTS.parent == Path.cwd()
    constraints = CONSTRAINTS.name if is_here else shlex.quote(str(CONSTRAINTS))
    return f"pip install -c {constraints} 'facelane[{extra}]'"


def import_package(module: str, *, extra: str, refusal: type[Exception], advice: str = "") -> ModuleType:
    """A module of a package of that extra, as "insightface.model_zoo.scrfd".

    Raises `refusal` where the package, or one that it needs, is not installed or does not load; with `advice`, or with
    the command that installs the extra.
    """
    package = module.partition(".")[0]
    advice = advice or install_command(extra)
    if importlib.util.find_spec(package) is None:
        raise refusal(f"{package} is not installed; {advice}")
    try:
        with warnings.catch_warnings():
            # They import others by names that are on the way out.
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    # Whatever it is: what was built for another numpy fails as ValueError, a library that is not there as OSError.
    except Exception as error:
        raise refusal(f"{package} does not load: {reason(error)}; {advice}") from error


def import_torchvision(extra: str, *, refusal: type[Exception]) -> None:
    """Raises `refusal` where torchvision, which packages of that extra import, is not installed or does not load."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        raise refusal(f"{error.name} is not installed; {install_command(extra)}") from error
    # Operators that were built for another torch fail as RuntimeError.
    except Exception as error:
        raise refusal(
            f"torchvision {_version('torchvision')} does not load beside torch {_version('torch')}: {reason(error)};"
            " install the torchvision that belongs to this torch, from the same index"
        ) from error


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "of unknown version"
