"""Several tasks at once: one step learns from a batch of each, and they share what they share of their models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from kizu.core.card import Card
from kizu.pretrain.nets.task import Task


class Mixed(Task):
    """The weighted sum of tasks, usually with one backbone between them. The file of weights is that of the first."""

    def __init__(self, tasks: list[Task], weights: list[float]):
        """
        Args:
            weights: of the losses and of the scores, above 0.
        """
        self.tasks, self.weights = tasks, weights
        self.name = " + ".join(task.name for task in tasks)
        self.architecture = tasks[0].architecture
        self.model = nn.ModuleDict({task.name: task.model for task in tasks})
        for task in tasks:
            task.model = None  # so that workers get none of them; they stand in ``model``

    def batch(self, step: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        skipped: list[dict[str, str]] = []
        for task in self.tasks:
            task.rank, task.world = self.rank, self.world
            out[task.name] = task.batch(step)
            skipped += out[task.name].pop("skipped", [])
        return out | ({"skipped": skipped} if skipped else {})

    def loss(self, model: nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        out = {}
        for task, weight in zip(self.tasks, self.weights, strict=True):
            terms = task.loss(model[task.name], batch[task.name])
            out |= {f"{task.name} {name}": weight * value for name, value in terms.items()}
        return out

    def validate(self, model: nn.Module) -> dict[str, float]:
        """The figures of all, each with the name of its task, and ``score``, the weighted mean of theirs."""
        figures, score = {}, 0.0
        for task, weight in zip(self.tasks, self.weights, strict=True):
            found = task.validate(model[task.name])
            score += weight * found["score"]
            figures |= {f"{task.name} {name}": value for name, value in found.items()}
        return {"score": score / sum(self.weights)} | figures

    def picture(self, model: nn.Module) -> np.ndarray | None:
        """The pictures of all, one below the other."""
        parts = [task.picture(model[task.name]) for task in self.tasks]
        parts = [part for part in parts if part is not None]
        if not parts:
            return None
        wide = max(part.shape[1] for part in parts)
        fill = [((0, 0), (0, wide - part.shape[1]), (0, 0)) for part in parts]
        return np.concatenate([np.pad(p, f, constant_values=255) for p, f in zip(parts, fill, strict=True)])

    def card(self) -> Card:
        card = self.tasks[0].card()
        card.data += [record for task in self.tasks[1:] for record in task.card().data if record not in card.data]
        card.notes.append(f"learned together: {self.name}")
        return card

    def save(self, model: nn.Module, path: Path, card: Card) -> None:
        self.tasks[0].save(model[self.tasks[0].name], path, card)
