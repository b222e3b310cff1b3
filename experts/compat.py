"""The packages of the `gan` extra, made to work beside current torch; what does not load is told in a line.

basicsr 1.4.2 imports `torchvision.transforms.functional_tensor`, which torchvision 0.17 removed: here a module of that
name holds the one function that basicsr takes from it, which lives on in `torchvision.transforms.functional`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

from experts.contract import ExpertError
from weights import packages

_REMOVED = "torchvision.transforms.functional_tensor"

# basicsr's source archive, the only one there is, can't be built by later versions of Python.
_OLD_ENOUGH = sys.version_info < (3, 13)
_ADVICE = "" if _OLD_ENOUGH else "basicsr, which it needs, wants Python 3.11 or 3.12"


def import_gan(module: str) -> ModuleType:
    """A module of gfpgan, basicsr, facexlib or realesrgan, as "gfpgan.archs.gfpganv1_clean_arch".

    Raises ExpertError where its package, or one that this needs, is not installed or does not load.
    """
    # Without the package torchvision is not what is to be told of.
    if importlib.util.find_spec(module.partition(".")[0]) is not None:
        _prepare_torchvision()
    return packages.import_package(module, extra="gan", refusal=ExpertError, advice=_ADVICE)


def _prepare_torchvision() -> None:
    import_torchvision("gan")
    if _REMOVED not in sys.modules and importlib.util.find_spec(_REMOVED) is None:
        stand_in = ModuleType(_REMOVED, "What basicsr needs of a module that torchvision removed.")
        functional = importlib.import_module("torchvision.transforms.functional")
        stand_in.rgb_to_grayscale = functional.rgb_to_grayscale  # type: ignore[attr-defined]  # a module made here
        sys.modules[_REMOVED] = stand_in


def import_torchvision(extra: str) -> None:
    """Raises ExpertError where torchvision, which packages of that extra import, is not installed or does not load."""
    packages.import_torchvision(extra, refusal=ExpertError)
