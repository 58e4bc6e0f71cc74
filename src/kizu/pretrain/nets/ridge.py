"""A pixel classifier fitted to a few pictures in closed form, so that features are learned through its fit.

Ridge regression as the learner inside an episode: Bertinetto et al. 2019, Meta-learning with differentiable closed-form
solvers (R2-D2), here on cells in place of pictures.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from kizu.pretrain.nets.contrast import Contrast

_WIDEST = 288  # channels that are regressed on as they are; wider maps are projected first
_PROJECTED = 64


class EpisodeNet(nn.Module):
    """A backbone, its maps on one grid of stride 4 or 8, and what a regression on them needs to be learned.

    Args:
        backbone: of the registry.
        kinds, grounds: outputs beside the episodes, "what lies here" and "which material is this".
        stride: of the grid.
    """

    def __init__(self, backbone: nn.Module, kinds: int, grounds: int, stride: int = 4):
        super().__init__()
        self.backbone, self.stride = backbone, stride
        wide = sum(backbone.channels) > _WIDEST
        self.head = nn.ModuleDict(
            {
                "project": nn.ModuleList(
                    nn.Conv2d(width, min(width, _PROJECTED), 1) if wide else nn.Identity()
                    for width in backbone.channels
                )
            }
        )
        self.width = sum(min(width, _PROJECTED) if wide else width for width in backbone.channels)
        self.head["kinds"] = nn.Conv2d(self.width, kinds, 1)
        nn.init.constant_(self.head["kinds"].bias, -4.0)
        self.head["grounds"] = nn.Conv2d(self.width, grounds, 1)
        self.head["regression"] = Regression()
        self.head["contrast"] = Contrast(self.width)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (B, C, ceil(H / stride), ceil(W / stride)) of images (B, 3, H, W), RGB in 0..255."""
        maps = self.backbone(images)
        size = maps[0 if self.stride == 4 else 1].shape[2:]
        out = []
        for values, project in zip(maps, self.head["project"], strict=True):
            values = project(values)
            if values.shape[2:] != size:
                finer = values.shape[2] > size[0]
                values = (
                    functional.adaptive_avg_pool2d(values, size)
                    if finer
                    else functional.interpolate(values, size=size, mode="bilinear", align_corners=False)
                )
            out.append(values)
        return torch.cat(out, 1)


class Regression(nn.Module):
    """Ridge regression on standardised rows; how strongly it is held back, and how its answers become log odds, is
    learned."""

    def __init__(self):
        super().__init__()
        self.decay = nn.Parameter(torch.tensor(-2.0))
        self.scale = nn.Parameter(torch.tensor(1.5))
        self.bias = nn.Parameter(torch.tensor(-0.5))

    def forward(
        self, rows: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, asked: torch.Tensor
    ) -> torch.Tensor:
        """Log odds (E, M) of the rows that are asked about.

        Args:
            rows: (E, N, C) of the support of E episodes.
            labels: (E, N), 0 or 1.
            weights: (E, N), 0 or more; in each episode those of each label add up to the same.
            asked: (E, M, C).
        """
        with torch.autocast(rows.device.type, enabled=False):  # sums of products need all their digits
            return self._solved(rows.float(), labels, weights, asked.float())

    def _solved(
        self, rows: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, asked: torch.Tensor
    ) -> torch.Tensor:
        share = weights / weights.sum(1, keepdim=True).clamp(min=1e-6)
        mean = (rows * share[..., None]).sum(1, keepdim=True)
        # A channel may be 0 on the whole support: the root needs a slope there too.
        spread = ((((rows - mean) ** 2) * share[..., None]).sum(1, keepdim=True) + 1e-4).sqrt()

        def standard(values: torch.Tensor) -> torch.Tensor:
            values = (values - mean) / spread
            return torch.cat([values, torch.ones_like(values[..., :1])], -1)

        x = standard(rows)
        held = functional.softplus(self.decay) * torch.ones(x.shape[-1], device=x.device)
        held = torch.cat([held[:-1], held[-1:] * 0.01])  # the intercept is hardly held back
        gram = x.transpose(1, 2) @ (x * share[..., None]) + torch.diag(held)
        aim = (x * (share * (2 * labels - 1))[..., None]).sum(1)
        solved = torch.cholesky_solve(aim[..., None], torch.linalg.cholesky(gram))
        return (standard(asked) @ solved)[..., 0] * self.scale.exp() + self.bias


def drawn_cells(
    features: torch.Tensor, wanted: torch.Tensor, known: torch.Tensor, count: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """``count`` cells of each episode, at most half of them positive: to regress on all would take too long.

    Args:
        features: (E, n, C, h, w) of n pictures.
        wanted: (E, n, h, w) bool.
        known: (E, n, h, w) bool; other cells count for nothing.

    Returns:
        rows float32 (E, count, C), labels (E, count) 0 or 1, and weights (E, count): of how many cells each stands for,
        0 for unknown ones.
    """
    episodes, _, channels = features.shape[:3]
    wanted, known = wanted.flatten(1), known.flatten(1)
    positive = wanted & known
    many = positive.sum(1, keepdim=True)
    chance = torch.rand(wanted.shape, device=wanted.device)
    # Keys in order: positives up to their share, ground, positives too many, what is not known.
    first = chance * many.clamp(min=1) < count / 2
    key = torch.where(positive, torch.where(first, chance - 1, chance + 1), chance)
    key = torch.where(known, key, chance + 3)
    place = key.topk(min(count, key.shape[1]), dim=1, largest=False).indices
    rows = features.permute(0, 1, 3, 4, 2).reshape(episodes, -1, channels)
    rows = torch.stack([rows[e, place[e]] for e in range(episodes)]).float()
    labels, used = wanted.gather(1, place).float(), known.gather(1, place).float()
    there = torch.stack([(known & ~wanted).sum(1), many[:, 0]], 1).float()
    taken = torch.stack([(used * (1 - labels)).sum(1), (used * labels).sum(1)], 1).clamp(min=1)
    weights = used * (there / taken).gather(1, labels.long())
    return rows, labels, weights


def even(labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weights (E, N) with which the two labels of each episode weigh a half each."""
    positive = (weights * labels).sum(1, keepdim=True).clamp(min=1e-6)
    ground = (weights * (1 - labels)).sum(1, keepdim=True).clamp(min=1e-6)
    return weights * torch.where(labels > 0, 0.5 / positive, 0.5 / ground)
