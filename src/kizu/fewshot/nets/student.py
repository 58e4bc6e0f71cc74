"""The student: ``kizu-s`` that sees a picture at half its size, its maps read into one of cells of 8 pixels.

A patch description network (EfficientAD's plain convolutions, some 33 pixels a cell), narrow enough for a CPU, was no
quicker and explained less of its teacher.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from kizu.models.nets.backbone import Backbone, Normalise

HALVED = 2
_PENALTY = 1.0  # of the ridge regression, a cell
_FLOOR = 0.1  # of the usual deviation, added to each


class Student(Backbone):
    """A backbone of stride 4 and coarser, which sees pictures at half their size; its map has the stride 8.

    Args:
        backbone: normalises by the picture.
        channels: of the map.
    """

    def __init__(self, backbone: Backbone, channels: int):
        super().__init__((channels,), Normalise("picture"))
        self.strides = (HALVED * backbone.strides[0],)
        self.backbone = backbone
        self.reads = nn.ModuleList(nn.Conv2d(count, channels, 1) for count in backbone.channels)

    def maps(self, normalised: torch.Tensor) -> list[torch.Tensor]:
        """The one map (B, C, H / 8, W / 8); sides are multiples of 8."""
        found = self.backbone.maps(functional.avg_pool2d(normalised, HALVED))
        return [sum(_finest(read(layer) for read, layer in zip(self.reads, found, strict=True)))]

    @torch.no_grad()
    def stacked(self, images: torch.Tensor, stats: torch.Tensor) -> torch.Tensor:
        """All channels of the backbone on the cells of the map, (B, sum of C_k, H / 8, W / 8)."""
        found = self.backbone.maps(functional.avg_pool2d(self.normalise(images, stats), HALVED))
        return torch.cat(list(_finest(found)), 1)

    @torch.no_grad()
    def read(self, cells: np.ndarray, wanted: np.ndarray) -> None:
        """Set the reading to the ridge regression of what is wanted, which is where the training begins.

        Args:
            cells: float32 (N, sum of C_k), of :meth:`stacked`.
            wanted: float32 (N, C).
        """
        mean, scale = cells.mean(0), cells.std(0)
        scale += _FLOOR * np.median(scale) + 1e-6
        own, middle = ((cells - mean) / scale).astype(np.float64), wanted.mean(0)
        square = own.T @ own + _PENALTY * len(own) * np.eye(own.shape[1])
        weights = np.linalg.solve(square, own.T @ (wanted - middle)) / scale[:, None]
        bias = torch.from_numpy(middle - mean @ weights) / len(self.reads)
        parts = np.split(weights.T, np.cumsum(self.backbone.channels)[:-1], axis=1)
        for read, part in zip(self.reads, parts, strict=True):
            read.weight.copy_(torch.from_numpy(part)[:, :, None, None])
            read.bias.copy_(bias)


def _finest(layers: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Maps, each of half as many cells each way as the one before it (rounded up), on the cells of the first."""
    size = None
    for k, layer in enumerate(layers):
        if size is None:
            size = layer.shape[-2:]
        else:
            layer = functional.interpolate(layer, scale_factor=2.0**k, mode="bilinear", align_corners=False)
        yield layer[..., : size[0], : size[1]]
