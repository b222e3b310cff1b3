"""Want of a card's memory, by the very exception that torch raises for it, through all that lies between."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from experts.background import BackgroundSettings, PictureUpscaler, make_background
from experts.contract import ExpertError, Image
from experts.pictures import Told, TorchPictures, Whole
from weights.session import RuntimeSettings

CPU = RuntimeSettings(device="cpu", precision="float32")


class Card(torch.nn.Module):
    """Enlarges twice, where a picture has not more than so many pixels."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.seen: list[int] = []

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        pixels = pictures.shape[2] * pictures.shape[3]
        self.seen.append(pixels)
        if pixels > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")
        return torch.nn.functional.interpolate(pictures, scale_factor=2, mode="nearest")


def pictures_of(card: Card) -> TorchPictures:
    return TorchPictures(card, Told("net", 2, "w", "none"), runtime=CPU)


def picture(height: int, width: int) -> Image:
    coarse = np.random.default_rng(3).integers(0, 256, (height // 8, width // 8, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def test_tiles_are_halved_until_they_fit_and_the_picture_is_the_same() -> None:
    card, seen = Card(60 * 60), picture(160, 200)
    background = make_background(BackgroundSettings(method="net.pth", tile=128, overlap=8), 2, pictures_of(card))
    assert isinstance(background, PictureUpscaler)
    made = background.upscale_rgb(seen)
    assert background.degraded == 2
    assert max(card.seen) == 128 * 128
    np.testing.assert_array_equal(made, pictures_of(Card(1 << 30)).upscale(seen))
    card.seen.clear()
    background.upscale_rgb(seen)
    assert max(card.seen) <= 60 * 60


def test_where_even_the_smallest_tile_is_too_large_it_ends_in_a_line() -> None:
    background = make_background(BackgroundSettings(method="net.pth", tile=64, overlap=16), 2, pictures_of(Card(99)))
    assert isinstance(background, PictureUpscaler)
    with pytest.raises(ExpertError, match=r"^no memory for tiles of 32 px: free some or take a smaller overlap$"):
        background.upscale_rgb(picture(64, 80))


def test_a_picture_that_is_not_cut_ends_in_a_line_that_names_the_setting() -> None:
    with pytest.raises(ExpertError, match=r"^net has no memory for 80x64 .*CUDA out.* set \[background\] tile"):
        Whole(pictures_of(Card(99))).upscale(picture(64, 80))
