"""The adversary of a crisp stage: it learns to tell restored pictures from true ones, and the expert to pass."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from experts.training.course import AdversarySettings, Normalisation


class Discriminator(nn.Module):
    """A U-Net that says for each place how true it looks (Schonfeld et al. 2020; Wang et al. 2021, Real-ESRGAN).

    (N, C, H, W) of 0 to 1, H and W multiples of 16, to (N, 1, H / 2, W / 2); more is truer. Every 2x2 pixels are one
    place, which leaves all detail and a quarter of the work. Normalised by the spectral norm of its kernels (Miyato et
    al. 2018), or by each picture's own statistics.
    """

    def __init__(self, pictures: int, *, channels: int, normalisation: Normalisation) -> None:
        super().__init__()
        widths = [channels, 2 * channels, 4 * channels, 8 * channels]
        self.enter = nn.Conv2d(4 * pictures, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_block(a, b, normalisation, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_block(b, a, normalisation) for a, b in zip(widths[-2::-1], widths[:0:-1], strict=True))
        self.leave = nn.Sequential(_block(widths[0], widths[0], normalisation), nn.Conv2d(widths[0], 1, 3, padding=1))

    def forward(self, pictures: Tensor) -> Tensor:
        cells = functional.pixel_unshuffle(2.0 * pictures - 1.0, 2).contiguous(memory_format=torch.channels_last)
        features = functional.leaky_relu(self.enter(cells), 0.2)
        passed = []
        for down in self.down:
            passed.append(features)
            features = down(features)
        for up, beside in zip(self.up, reversed(passed), strict=True):
            features = up(functional.interpolate(features, scale_factor=2.0, mode="bilinear")) + beside
        said: Tensor = self.leave(features)
        return said


class Adversary(nn.Module):
    """The discriminator and what both sides lose by it.

    The relativistic pairing loss (Jolicoeur-Martineau 2019; Huang et al. 2024, R3GAN, eq. 2): each restored picture is
    compared with its own truth. The squared gradient on true pictures is penalised (Mescheder et al. 2018, R1), lazily
    (Karras et al. 2020), and noise is added to all that it sees (Arjovsky and Bottou 2017).
    """

    def __init__(self, pictures: int, settings: AdversarySettings) -> None:
        super().__init__()
        self.settings = settings
        self.network = Discriminator(pictures, channels=settings.channels, normalisation=settings.normalisation)

    def fool(self, restored: Tensor, target: Tensor, random: torch.Generator) -> Tensor:
        """What the expert loses by not passing; the adversary learns nothing of it."""
        self.network.requires_grad_(False)
        try:
            truer = self._says(restored, random) - self._says(target, random)
        finally:
            self.network.requires_grad_(True)
        return functional.softplus(-truer.float()).mean()

    def tell(self, restored: Tensor, target: Tensor, random: torch.Generator) -> Tensor:
        """What the adversary loses by not telling them apart."""
        truer = self._says(target, random) - self._says(restored.detach(), random)
        return functional.softplus(-truer.float()).mean()

    def penalty(self, target: Tensor) -> Tensor:
        """Half the weighted squared gradient on true pictures, times the steps that it stands for. In float32."""
        with torch.autocast(target.device.type, enabled=False):
            true = target.float().detach().requires_grad_(True)
            # Of a mean over a picture's pixels, so that the weight means the same at every size.
            said = self.network(true).mean(dim=(1, 2, 3)).sum() * true[0].numel() ** 0.5
            (slope,) = torch.autograd.grad(said, true, create_graph=True)
        squared = slope.square().sum(dim=(1, 2, 3)).mean()
        return 0.5 * self.settings.penalty * self.settings.penalty_steps * squared

    def _says(self, pictures: Tensor, random: torch.Generator) -> Tensor:
        noise = torch.randn(pictures.shape, generator=random, device=pictures.device)
        said: Tensor = self.network(pictures + self.settings.noise * noise)
        return said


def _block(wide: int, out: int, normalisation: Normalisation, *, stride: int = 1) -> nn.Sequential:
    size = 4 if stride == 2 else 3
    convolution: nn.Module = nn.Conv2d(wide, out, size, stride=stride, padding=1, bias=normalisation != "instance")
    if normalisation == "spectral":
        convolution = nn.utils.parametrizations.spectral_norm(convolution)
    normal = nn.InstanceNorm2d(out, affine=True) if normalisation == "instance" else nn.Identity()
    return nn.Sequential(convolution, normal, nn.LeakyReLU(0.2))
