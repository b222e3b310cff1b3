"""The loss that asks for as much fine structure as the truth has."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from experts.training.texture import PLACE, Texture

SIDE = 128


def noise(seed: int, sigma: float = 0.1) -> Tensor:
    return 0.5 + sigma * torch.randn(1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def texture() -> Texture:
    return Texture(torch.ones(SIDE, SIDE))


def softened(picture: Tensor) -> Tensor:
    kernel = torch.tensor([0.25, 0.5, 0.25])
    return functional.conv2d(picture[:, None], (kernel[:, None] * kernel)[None, None], padding="same")[:, 0]


def test_it_measures_how_much_is_missing() -> None:
    """Half of it missing counts half as much as all of it."""
    whole = noise(1)
    half, none = 0.5 + 0.5 * (whole - 0.5), torch.full_like(whole, 0.5)
    assert math.isclose(float(texture()(half, whole)), 0.5 * float(texture()(none, whole)), rel_tol=0.1)
    assert float(texture()(whole, whole)) == 0.0


def test_the_phase_is_not_its_business() -> None:
    """Another noise of the same spectrum is nearer than the same noise, softened; a pixel loss has it the other way."""
    true, other, soft = noise(1), noise(2), softened(noise(1))
    assert texture()(other, true) < 0.5 * texture()(soft, true)
    assert (soft - true).abs().mean() < (other - true).abs().mean()


def test_what_nobody_sees_is_not_asked_for() -> None:
    """Under the floor an amplitude counts by its square."""
    smooth = torch.full((1, SIDE, SIDE), 0.5)
    assert texture()(smooth, noise(3, sigma=0.0005)) < 0.1 * texture()(smooth, noise(3, sigma=0.005))


def test_its_gradient_sharpens() -> None:
    true = noise(4)
    soft = softened(true).requires_grad_()
    texture()(soft, true).backward()
    assert soft.grad is not None
    nearer = soft.detach() - 0.1 * soft.grad / soft.grad.abs().max()
    assert texture()(nearer, true) < texture()(soft.detach(), true)
    assert nearer.std() > soft.std()


def test_places_count_by_their_weights() -> None:
    weights = torch.zeros(SIDE, SIDE)
    weights[:, : SIDE // 2] = 1.0
    true = noise(5)
    wrong = true.clone()
    wrong[..., SIDE // 2 + PLACE :] = 0.5
    assert float(Texture(weights)(wrong, true)) == 0.0
    assert float(Texture(weights.flip(1))(wrong, true)) > 0.01


def test_dots_are_no_texture() -> None:
    """A lattice of dots that has the power of a texture has little of its amplitude."""
    true = noise(6, sigma=0.05)
    dots = torch.full_like(true, 0.5)
    dots[:, ::8, ::8] += 0.05 * 8
    assert math.isclose(float(dots.std()), float(true.std()), rel_tol=0.05)
    assert texture()(dots, true) > 4 * texture()(noise(7, sigma=0.05), true)
