"""GFPGAN as an expert: the field's own face restorer, by its package's architecture and its project's weights.

Wang et al. 2021, Towards Real-World Blind Face Restoration with Generative Facial Prior. Of the package (extra `gan`)
the network alone is used; faces are found, aligned, blended and steadied as for every other expert.

Two things differ from the package's `GFPGANer`. The noise of StyleGAN2's layers is the one that the weights hold, where
the package draws a new one for every face: the same crop gives the same face, in a film too. And `weight`, which
`GFPGANer.enhance` takes and GFPGAN's architectures ignore, has a meaning here, see `GfpganSettings`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import Tensor, nn

from experts.contract import ExpertError, ExpertInfo, Image, check_crops
from experts.failures import telling
from experts.gfpgan_networks import Version, import_package, read_network
from weights.session import Outcome, RuntimeSettings, choose_runtime, finest_half, open_item_session
from weights.store import Store, sha256_of

ID = "gfpgan"

MOST_AT_ONCE = 4
"""Faces in a batch on a GPU: about 4 GB in float32. On the CPU one at a time is as fast, and takes the least memory."""


@dataclass(frozen=True, slots=True)
class GfpganSettings:
    """`version`: whose weights; 1 is the paper's, of another architecture than 1.2, 1.3 and 1.4. `file`: weights of
    one's own in the layout of that version, in place of the project's; its pictures may be of another size. `weight`:
    how much of the source's face is mixed into the restored one, pixel by pixel: 0 leaves the network's as it is, which
    is what the package gives whatever its `weight` says; 1 would leave nothing of that.

    Raises ExpertError where a value makes no sense.
    """

    version: Version = "1.4"
    file: Path | None = None
    weight: float = 0.0

    def __post_init__(self) -> None:
        if self.version not in get_args(Version):
            raise ExpertError(f"GFPGAN's version is one of {', '.join(get_args(Version))}, not {self.version!r}")
        if not 0.0 <= self.weight < 1.0:
            raise ExpertError(f"weight lies from 0 (the network alone) to below 1, not {self.weight}")


class GfpganExpert:
    """Restores faces of `side` px with a GFPGAN `network`, on torch; `label` and `licence` describe its weights.

    Raises WeightsError where what `runtime` asks for is not there, and ExpertError where it is another than torch.
    """

    def __init__(
        self, network: nn.Module, side: int, *, weight: float = 0.0, label: str, licence: str, runtime: RuntimeSettings
    ) -> None:
        self._session = open_item_session(
            _Faces(network, weight), weights=None, input_shape=(None, side, side, 3), settings=_on_torch(runtime)
        )
        taken = self._session.taken
        self._info = ExpertInfo(
            id=ID,
            input_size=side,
            scale=1,
            weights=label if weight == 0.0 else f"{label}, weight {weight:g}",
            licence=licence,
            **asdict(taken),
            template="ffhq",
            most_at_once=1 if taken.device == "cpu" else MOST_AT_ONCE,
        )

    @property
    def info(self) -> ExpertInfo:
        return self._info

    def restore(self, crops: Image) -> Image:
        """See `experts.contract.Expert`. Raises ExpertError also for want of memory, and for a result that is not
        finite."""
        return self.begin(crops)()

    def begin(self, crops: Image) -> Callable[[], Image]:
        """See `experts.contract.Expert`. On CUDA all parts are under way when this returns. On the CPU nothing is begun
        by itself: torch has all cores busy with one batch."""
        check_crops(crops, self._info)
        with telling(ID):
            begun = [(part, self._session.begin(crops[part])) for part in self._parts(len(crops))]
        return partial(self._finish, np.empty_like(crops), begun)

    def _finish(self, restored: Image, begun: Sequence[tuple[slice, Outcome]]) -> Image:
        for part, outcome in begun:
            restored[part] = self._checked(outcome)
        return restored

    def _parts(self, count: int) -> Iterator[slice]:
        step = self._info.most_at_once
        return (slice(start, start + step) for start in range(0, count, step))

    def _checked(self, outcome: Outcome) -> Image:
        with telling(ID):
            restored, means = outcome()
        if not np.isfinite(means).all():
            raise ExpertError(f"{ID} gave numbers that are not finite; check the weights, or set precision to float32")
        return restored


class _Faces(nn.Module):
    """The network with what the package does around it: (N, S, S, 3) uint8 in and out; and the mean of what came out
    before it was clamped, (N,), which tells what uint8 can't, that it was not finite."""

    def __init__(self, network: nn.Module, weight: float) -> None:
        super().__init__()
        self.network = network
        self.weight = weight

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        faces = crops.permute(0, 3, 1, 2).float().contiguous() / 127.5 - 1.0
        found = self.network(faces, return_rgb=False, randomize_noise=False)[0].float()
        mixed = torch.lerp(found.clamp(-1.0, 1.0), faces, self.weight)
        levels = ((mixed + 1.0) * 127.5).round().to(torch.uint8)
        return levels.permute(0, 2, 3, 1), found.mean(dim=(1, 2, 3))


def make(store: Store, runtime: RuntimeSettings, settings: GfpganSettings) -> GfpganExpert:
    """The expert with the weights that the settings name, fetched where that is needed and allowed.

    Raises ExpertError where the extra is missing or does not load, and WeightsError where the weights are not to be had
    or do not fit.
    """
    # Looked at first: a file of 350 MB may have to be fetched.
    _on_torch(runtime)
    import_package(settings.version)
    if settings.file is None:
        entry = store.entry(*weights_of(settings))
        path, name, licence = store.find(entry.id), entry.id, entry.licence
    else:
        path, name, licence = settings.file.expanduser(), settings.file.name, "its author's"
    network, side = read_network(path, settings.version, own=settings.file is not None)
    label = f"{name}@{sha256_of(path)[:12]}"
    return GfpganExpert(network, side, weight=settings.weight, label=label, licence=licence, runtime=runtime)


def weights_of(settings: GfpganSettings) -> tuple[str, ...]:
    """The ids of the weights that are needed: none for a file of one's own."""
    return () if settings.file is not None else (f"gfpgan-{settings.version}",)


def _on_torch(runtime: RuntimeSettings) -> RuntimeSettings:
    """The same, on torch; and in full precision on the CPU unless half was asked for: where the processor has it that
    takes half the time, but is off by two levels of 255 in places, and nobody waits for a live picture here."""
    if runtime.runtime not in ("auto", "torch"):
        raise ExpertError(f'{ID} runs on torch alone; set [runtime] runtime to "auto" or "torch"')
    on_cpu = choose_runtime(replace(runtime, runtime="auto")) == "openvino"
    on_torch = replace(runtime, runtime="torch")
    return replace(on_torch, precision="float32") if on_cpu and runtime.precision == "auto" else finest_half(on_torch)
