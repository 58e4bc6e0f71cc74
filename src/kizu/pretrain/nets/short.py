"""A short run that leaves no folder behind: the model of the task becomes the best one by validation."""

from __future__ import annotations

import tempfile
from pathlib import Path

from kizu.models.store import load_weights
from kizu.pretrain.nets.loop import train
from kizu.pretrain.nets.plan import Plan, Trained
from kizu.pretrain.nets.task import Task


def train_here(task: Task, plan: Plan, strict: bool = False) -> Trained:
    """Train the model of a task in a temporary folder, and give it the best weights, in evaluation mode.

    Returns:
        what the run came to; its file of weights is no more.

    Raises:
        KizuError, DataError: as :func:`kizu.pretrain.nets.loop.train`.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = train(task, Path(folder) / "run", plan, strict=strict)
        weights = load_weights(done.weights)
    for part, child in task.model.named_children():
        weights.into(child, part)
    task.model.eval()
    return done
