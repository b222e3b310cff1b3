"""What the original GFPGAN calls of basicsr's compiled operators, in plain torch: slower on CUDA, but on any device.

basicsr compiles them only where it is installed with BASICSR_EXT=True and a CUDA toolkit, and then they refuse the CPU;
without, its `fused_leaky_relu` ends in a NameError. What is here takes the place of the compiled modules, in the form
in which basicsr calls them. For inference alone: there are no gradients.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from experts.compat import import_gan

_LEAKY_RELU = 3
"""The number of that activation in the operator's interface."""


def provide() -> None:
    """Puts them where basicsr looks for the compiled ones. Raises ExpertError where basicsr does not load."""
    fused: Any = import_gan("basicsr.ops.fused_act.fused_act")
    sampling: Any = import_gan("basicsr.ops.upfirdn2d.upfirdn2d")
    fused.fused_act_ext = _FusedAct
    sampling.upfirdn2d_ext = _UpFirDn(sampling.upfirdn2d_native)


def register_kernels(network: nn.Module) -> None:
    """Has the kernels of a StyleGAN2 go along with its parameters to whatever device: they are mere attributes, which
    it would bring there anew, and wait for, at every layer of every call. What is saved stays as it is."""
    for module in network.modules():
        kernel = vars(module).get("kernel")
        if isinstance(kernel, Tensor):
            del module.kernel
            module.register_buffer("kernel", kernel, persistent=False)


class _FusedAct:
    """Stands for the module `fused_act_ext`."""

    @staticmethod
    def fused_bias_act(
        images: Tensor, bias: Tensor, _refer: Tensor, act: int, grad: int, alpha: float, scale: float
    ) -> Tensor:
        """The leaky ReLU of `images` (N, C, ...) and a bias (C,), times `scale` (Karras et al. 2020, StyleGAN2)."""
        if (act, grad) != (_LEAKY_RELU, 0):
            raise NotImplementedError(f"activation {act}, gradient {grad}: only the leaky ReLU itself is here")
        shape = (1, -1, *[1] * (images.dim() - 2))
        return functional.leaky_relu(images + bias.view(shape), alpha) * scale


class _UpFirDn:
    """Stands for the module `upfirdn2d_ext`, which basicsr asks for on CUDA alone, by its own way for the CPU."""

    def __init__(self, native: Any) -> None:
        self._native = native

    def upfirdn2d(self, images: Tensor, kernel: Tensor, *numbers: int) -> Tensor:
        """`images`: (N, H, W, 1); `numbers`: up, down and padding, of x before y."""
        result: Tensor = self._native(images.permute(0, 3, 1, 2), kernel, *numbers)
        return result
