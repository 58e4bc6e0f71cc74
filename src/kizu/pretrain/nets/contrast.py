"""Surfaces told apart: cells of one product are alike, those of other products are not.

Supervised contrastive learning (Khosla et al. 2020) between cells in place of pictures, with the products
of earlier steps as further negatives (a queue as in He et al. 2020, MoCo, without its second network).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

_PLACES = 16  # cells of each picture
_TEMPERATURE = 0.1


class Contrast(nn.Module):
    """Embeds cells of pictures and compares them by product.

    Args:
        width: channels of the features.
        kept: cells of earlier steps that are compared with.
        size: of an embedding.
    """

    def __init__(self, width: int, kept: int = 4096, size: int = 96):
        super().__init__()
        # Centred first: features behind a rectifier all point the same way, and cosines of such tell nothing apart.
        self.embed = nn.Sequential(nn.BatchNorm1d(width), nn.Linear(width, size), nn.BatchNorm1d(size))
        self.register_buffer("queue", functional.normalize(torch.randn(kept, size), dim=1))
        self.register_buffer("owner", torch.full((kept,), -1))  # product of each; -1 = none yet
        self.register_buffer("next", torch.zeros((), dtype=torch.long))

    def forward(self, features: torch.Tensor, free: torch.Tensor, products: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar; the cells join the queue in training.

        Args:
            features: (B, C, h, w).
            free: (B, h, w) bool, cells on which nothing lies.
            products: (B,) number of each picture's product, 0 or more.
        """
        cells, picture = self._drawn(features, free)
        embedded = functional.normalize(self.embed(cells), dim=1)
        owner = products[picture]
        old = self.owner >= 0
        others = torch.cat([embedded, self.queue[old].to(embedded.dtype)])
        owners = torch.cat([owner, self.owner[old]])
        alike = embedded @ others.T / _TEMPERATURE
        same = owner[:, None] == owners[None]
        # A cell is compared neither with its own picture, whose noise and light it shares, nor with earlier views.
        positive = same.clone()
        positive[:, len(embedded) :] = False
        positive[:, : len(embedded)] &= picture[:, None] != picture[None]
        alike = alike.masked_fill(same & ~positive, -torch.inf)
        share = alike - alike.logsumexp(1, keepdim=True)
        count = positive.sum(1)
        loss = -(share.masked_fill(~positive, 0).sum(1) / count.clamp(min=1))
        if self.training:
            self._keep(embedded.detach(), owner)
        return (loss * (count > 0)).sum() / (count > 0).sum().clamp(min=1)

    def _drawn(self, features: torch.Tensor, free: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (N, C) of some free cells of each picture, and the picture of each (N,)."""
        free = free.flatten(1)
        chance = torch.rand(free.shape, device=free.device) + ~free
        chosen = chance.topk(min(_PLACES, free.shape[1]), dim=1, largest=False).indices
        used = free.gather(1, chosen)
        picture, _ = used.nonzero(as_tuple=True)
        return features.flatten(2)[picture, :, chosen[used]].float(), picture

    @torch.no_grad()
    def _keep(self, embedded: torch.Tensor, owner: torch.Tensor) -> None:
        """Put cells into the queue, over the oldest ones."""
        embedded, owner = embedded[-len(self.queue) :], owner[-len(self.queue) :]
        at = (self.next + torch.arange(len(embedded), device=embedded.device)) % len(self.queue)
        self.queue[at], self.owner[at] = embedded.to(self.queue.dtype), owner
        self.next.copy_((self.next + len(embedded)) % len(self.queue))
