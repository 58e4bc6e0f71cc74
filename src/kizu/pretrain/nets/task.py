"""``Task``: what is learned, apart from how: the model, its batches, its loss and its validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from kizu.core.card import Card
from kizu.models.nets.fold import folded
from kizu.models.store import arrays_of, save_weights


class Task:
    """One objective. :func:`kizu.pretrain.nets.loop.train` runs any of them.

    Attributes:
        name: short, for the log.
        architecture: name of the model as it stands in its weight file.
        model: on the CPU; the loop moves it. Its parts are called ``backbone``, ``pyramid`` and ``head``, for this is
            how their weights are named in the file.
        begun: card of the weights that the model began with, None for random ones.
        rank, world: number of this training process and of all; the loop sets them before the first batch.
    """

    name: str
    architecture: str
    model: nn.Module
    begun: Card | None = None
    rank: int = 0
    world: int = 1

    def batch(self, step: int) -> dict[str, Any]:
        """What step ``step`` (from 0) learns from: tensors, or lists and dictionaries of tensors.

        A function of the seed, ``step``, ``rank`` and ``world`` alone, so that a run goes on exactly where it stopped
        whatever the number of workers. It runs in processes of its own, where ``model`` is None. Images are uint8
        (B, 3, H, W). An item that cannot be used is replaced by another, and told under the key ``skipped``: a list of
        records {item, reason}.

        Raises:
            KizuError: what no other item can stand for; it ends the run.
        """
        raise NotImplementedError

    def loss(self, model: nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """The terms of the loss, whose sum is what is learned. ``batch`` is on the device of ``model``.

        All chance comes from torch's own generator, which the loop seeds before each step.
        """
        raise NotImplementedError

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Figures on held-out data; ``score`` (higher is better) is what the best weights are chosen by.

        ``model`` is the average of the weights, in evaluation mode; gradients are off. Called in one process only.
        """
        raise NotImplementedError

    def picture(self, model: nn.Module) -> np.ndarray | None:
        """Some held-out pictures with truth and prediction, uint8 (H, W, 3), or None for no picture."""
        raise NotImplementedError

    def card(self) -> Card:
        """What the weights are made from; the loop adds figures of the run."""
        raise NotImplementedError

    def save(self, model: nn.Module, path: Path, card: Card) -> None:
        """Write the weights of ``model`` as a file of Kizu. Raises KizuError where the file system refuses."""
        arrays = {}
        for part, module in model.named_children():
            arrays |= arrays_of(folded(module), part)
        save_weights(path, arrays, self.architecture, card)
