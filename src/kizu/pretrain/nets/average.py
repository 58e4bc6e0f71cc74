"""A running average of weights: smoother than the last ones, and better on held-out data."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """Exponential moving average of a model's weights and of its running statistics.

    Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging" (1992). The decay begins low, (1 + t) /
    (10 + t) after t updates, or the first weights, which are chance, would weigh long in a short run.

    Attributes:
        model: a copy of the model that holds the averages, in evaluation mode.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take up the weights after step ``step`` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        ours, theirs = [], []
        for mean, value in zip(_tensors(self.model), _tensors(model), strict=True):
            if mean.is_floating_point():
                ours.append(mean)
                theirs.append(value)
            else:
                mean.copy_(value)
        torch._foreach_lerp_(ours, theirs, 1 - decay)


def _tensors(model: nn.Module) -> list[torch.Tensor]:
    """Weights and buffers, each once, in an order that copies of the model share."""
    return [*model.parameters(), *model.buffers()]
