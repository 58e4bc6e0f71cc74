"""A light feature pyramid: strong maps lend their meaning to fine ones, at a price that a CPU can pay."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Pyramid(nn.Module):
    """Top-down pyramid (Lin et al. 2017, Feature Pyramid Networks) with separable smoothing.

    Args:
        channels: of the four maps of a backbone.
        width: channels of each level that comes out.
    """

    def __init__(self, channels: tuple[int, ...], width: int = 64):
        super().__init__()
        self.width = width
        self.lateral = nn.ModuleList(_normed(nn.Conv2d(c, width, 1, bias=False)) for c in channels)
        self.smooth = nn.ModuleList(
            _normed(
                nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False), nn.Conv2d(width, width, 1, bias=False)
            )
            for _ in channels
        )

    def forward(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        """Levels (B, width, h, w) of the same heights and widths as the maps, the finest first."""
        levels = [lateral(m) for lateral, m in zip(self.lateral, maps, strict=True)]
        for k in range(len(levels) - 2, -1, -1):
            height, width = levels[k].shape[-2:]
            # Cell i of the coarse map lies over the cells 2i and 2i + 1, also where the size is odd.
            coarse = functional.interpolate(levels[k + 1], scale_factor=2.0, mode="nearest")
            levels[k] = levels[k] + coarse[..., :height, :width]
        return [smooth(level) for smooth, level in zip(self.smooth, levels, strict=True)]


def _normed(*convolutions: nn.Conv2d) -> nn.Sequential:
    width = convolutions[-1].out_channels
    return nn.Sequential(*convolutions, nn.BatchNorm2d(width), nn.ReLU(inplace=True))
