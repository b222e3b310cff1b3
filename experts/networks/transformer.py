"""Expert-T: attention over the whole aligned face.

A small or blurred face has lost the detail that a convolution could sharpen; what is left to go by is the face as a
whole: where its parts lie, that its eyes agree, what the other cheek looks like. An aligned crop puts each part at a
known place, so the middle of the network lets all 576 cells of an eighth-resolution grid attend to each other, with a
learned embedding of their places (Vaswani et al. 2017; Dosovitskiy et al. 2021): at that size full attention costs less
than windows at a finer one. Around it, dense 3x3 convolutions at a quarter of the resolution, which AMX and AVX-512
make nearly free, do the local work (a U of one step, Ronneberger et al. 2015). The network adds what it predicts to a
fixed bicubic enlargement, so that colour and identity come from the input.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from experts.networks.blocks import CELL, CELL_CHANNELS, CELL_OUTPUTS, SCALE, DenseBlock, Enlarge, start_at_zero


class AttentionBlock(nn.Module):
    """Pre-norm self-attention and a two-layer MLP over (N, tokens, channels)."""

    def __init__(self, channels: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(channels)
        self.to_qkv = nn.Linear(channels, 3 * channels)
        self.merge = nn.Linear(channels, channels)
        self.norm_mlp = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, 2 * channels)
        self.narrow = nn.Linear(2 * channels, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self._attend(self.norm_attention(tokens))
        hidden = functional.gelu(self.widen(self.norm_mlp(tokens)), approximate="tanh")
        narrowed: Tensor = self.narrow(hidden)
        return tokens + narrowed

    def _attend(self, tokens: Tensor) -> Tensor:
        count, channels = tokens.shape[1], tokens.shape[2]
        qkv = self.to_qkv(tokens).reshape(-1, count, 3, self.heads, channels // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        merged: Tensor = self.merge(mixed.transpose(1, 2).reshape(-1, count, channels))
        return merged


class TransformerNetwork(nn.Module):
    """Cells in, enlarged cells out: (N, 48, 48, 48) to (N, 192, 48, 48), values 0 to 1 (not clamped)."""

    input_size = 192
    scale = SCALE

    def __init__(
        self,
        *,
        channels: int = 96,
        deep_channels: int = 128,
        heads: int = 4,
        attention_blocks: int = 4,
        dense_blocks: int = 3,
    ) -> None:
        super().__init__()
        self.enlarge = Enlarge()
        grid = self.input_size // (2 * CELL)
        self.enter = nn.Conv2d(CELL_CHANNELS, channels, 3, padding=1)
        self.before = nn.Sequential(*(DenseBlock(channels) for _ in range(dense_blocks)))
        self.descend = nn.Conv2d(channels, deep_channels, 2, stride=2)
        self.place = nn.Parameter(torch.randn(1, grid * grid, deep_channels) * 0.02)
        self.attention = nn.Sequential(*(AttentionBlock(deep_channels, heads=heads) for _ in range(attention_blocks)))
        self.ascend = nn.Conv2d(deep_channels, 4 * channels, 1)
        self.after = nn.Sequential(*(DenseBlock(channels) for _ in range(dense_blocks)))
        self.leave = start_at_zero(nn.Conv2d(channels, CELL_OUTPUTS, 3, padding=1))

    def forward(self, cells: Tensor) -> Tensor:
        centred = cells - 0.5
        local = self.before(self.enter(centred))
        features = self.after(local + self._whole_face(local))
        residual: Tensor = self.leave(features)
        enlarged: Tensor = self.enlarge(centred)
        return enlarged + residual + 0.5

    def _whole_face(self, local: Tensor) -> Tensor:
        places = self.descend(local)
        tokens = self.attention(places.flatten(2).transpose(1, 2) + self.place)
        return functional.pixel_shuffle(self.ascend(tokens.transpose(1, 2).reshape(places.shape)), 2)
