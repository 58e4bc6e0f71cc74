"""Linear answers read from each map of a backbone, so that what a cell shows is told without a decoder.

Features that stay frozen are used through a linear model. The decoder of a detector leaves it to the network where an
answer arises; an answer asked of every map (deep supervision: Lee et al. 2015, Deeply-Supervised Nets) makes each of
them tell types of defects and materials apart as far as it sees.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from kizu.core.sample import Sample
from kizu.models.nets.dense import DenseNet
from kizu.models.nets.dense_loss import class_loss
from kizu.synth.formula.surfaces.bank import MATERIALS

_MATERIALS = sorted(MATERIALS)
GROUNDS = len(_MATERIALS)
_CLASSES, _GROUND = 0.25, 0.1  # weights beside the loss of the detector, of each map


def ground_of(sample: Sample) -> int:
    """Number of the material around the instances of a sample, -1 where it is not known."""
    name = sample.meta.get("ground")
    return _MATERIALS.index(name) if name in MATERIALS else -1


class ReadNet(DenseNet):
    """A dense detector, and a 1 x 1 convolution on each map of its backbone: classes, then materials."""

    def __init__(self, backbone: nn.Module, classes: int, width: int):
        super().__init__(backbone, classes, width)
        self.readout = nn.ModuleList(nn.Conv2d(channels, classes + GROUNDS, 1) for channels in backbone.channels)
        for layer in self.readout:
            nn.init.zeros_(layer.weight)
            nn.init.constant_(layer.bias[:classes], self.head.out.bias[0].item())

    def forward(self, images: torch.Tensor, stats: torch.Tensor | None = None, read: bool = False) -> tuple:
        """As :class:`DenseNet`; with ``read`` also what is read from the maps, a list of (B, K + GROUNDS, h, w).

        With ``read``, sides are multiples of 32.
        """
        if not read:
            return super().forward(images, stats)
        maps = self.backbone(images, stats)
        return *self.answers(maps), [layer(values) for layer, values in zip(self.readout, maps, strict=True)]


def readout_loss(
    reads: list[torch.Tensor], classes: torch.Tensor, known: torch.Tensor, ground: torch.Tensor
) -> dict[str, torch.Tensor]:
    """``readout``: the classes of each cell of each map; ``ground``: the material of cells on which nothing lies.

    Args:
        reads: (B, K + GROUNDS, h, w), the finest map first.
        classes: uint8 (B, K, h, w), shares of the cells of the finest map, 0..255.
        known: uint8 (B, h, w), cells that can be told.
        ground: int64 (B,), number of the material, -1 where it is not known.
    """
    share, sure = classes.float() / 255, known.float()[:, None]
    out = {"readout": 0.0, "ground": 0.0}
    for values in reads:
        size, kinds = values.shape[2:], classes.shape[1]
        here, told = (functional.adaptive_avg_pool2d(v, size) for v in (share * sure, sure))
        out["readout"] += _CLASSES * class_loss(values[:, :kinds].float(), here, (told[:, 0] == 1).float())
        free = (here.amax(1) == 0) & (ground >= 0)[:, None, None]
        aim = ground.clamp(min=0)[:, None, None].expand(-1, *size)
        entropy = functional.cross_entropy(values[:, kinds:].float(), aim, reduction="none")
        out["ground"] += _GROUND * (entropy * free).sum() / free.sum().clamp(min=1)
    return out
