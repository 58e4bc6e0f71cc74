"""Vision transformers as backbones: one map, a cell a patch, without what only says where a patch lies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from kizu.models.nets.backbone import Backbone, Normalise

_GREYS = (64.0, 128.0, 192.0)  # of blank pictures
_SIDE = 32  # patches of a side of them
_SHARE = 0.95  # of the variance over the places of blank pictures, that the directions hold which are removed
_MOST = 4  # one in so many directions is removed at most
_SILENT = 1e-8  # of the energy: less than this is rounding, as where places are told by rotation (RoPE)


class PatchBackbone(Backbone):
    """A block in the middle of a vision transformer and its last one, side by side as one map.

    Of a blank picture all patches look alike, so what sets their features apart is their place alone. Its leading
    directions U, of each block, are taken out of all features: x - U U^T x.

    Args:
        net: normalised pictures, of sides that are multiples of ``patch``, to maps (B, C, H / patch, W / patch).
        patch: pixels of a side.
        normalise: what the network wants.
    """

    def __init__(self, net: nn.Module, patch: int, normalise: Normalise):
        super().__init__((), normalise)
        self.net = net
        self.strides = (patch,)
        found = [places(layers) for layers in self._blank(patch)]
        self.channels = (sum(len(axes) for axes in found),)
        self._blocks = len(found)
        for k, axes in enumerate(found):
            self.register_buffer(f"places{k}", axes)

    def maps(self, normalised: torch.Tensor) -> list[torch.Tensor]:
        """The one map (B, C, H / patch, W / patch)."""
        out = []
        for k, layer in enumerate(self.net(normalised)):
            axes = getattr(self, f"places{k}")
            if axes.shape[1]:
                there = torch.einsum("bchw,cr->brhw", layer, axes)
                layer = layer - torch.einsum("brhw,cr->bchw", there, axes)
            out.append(layer)
        return [torch.cat(out, 1)]

    @torch.no_grad()
    def _blank(self, patch: int) -> list[list[torch.Tensor]]:
        """For each block its map (C, h, w) of each blank picture."""
        self.eval()
        side = patch * _SIDE
        looks = [self.net(self.normalise(torch.full((1, 3, side, side), grey))) for grey in _GREYS]
        return [[layer[0] for layer in block] for block in zip(*looks, strict=True)]


def places(layers: Sequence[torch.Tensor]) -> torch.Tensor:
    """Directions (C, R), of length 1 and upright on each other, along which features of blank pictures vary with place.

    Args:
        layers: maps (C, h, w), one a blank picture.
    """
    rows = [layer.flatten(1).T.double() for layer in layers]
    off = torch.cat([row - row.mean(0) for row in rows])
    energy = torch.cat(rows).square().mean()
    values, axes = torch.linalg.eigh(off.T @ off / len(off))
    values, axes = values.flip(0).clamp(min=0), axes.flip(1)
    count = 0
    if values.sum() > _SILENT * energy * len(values):
        share = values.cumsum(0) / values.sum()
        count = min(int((share < _SHARE).sum()) + 1, len(values) // _MOST)
    return axes[:, :count].float().contiguous()
