"""Objectives by name: what ``kizu pretrain masks --objective`` can learn, alone or several at once."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from kizu.core.errors import KizuError
from kizu.pretrain.material import Material
from kizu.pretrain.nets.episodes import Episodes
from kizu.pretrain.nets.masks import Masks
from kizu.pretrain.nets.mixed import Mixed
from kizu.pretrain.nets.task import Task
from kizu.pretrain.recipe import Recipe

# A task is made of a material, a backbone (the same one for all), a recipe and a seed.
OBJECTIVES: dict[str, Callable[[Material, nn.Module, Recipe, int], Task]] = {
    "masks": Masks,
    "episodes": Episodes,
}


def task_of(objective: str, material: Material, backbone: nn.Module, recipe: Recipe, seed: int) -> Task:
    """The task of a text: ``masks``, or several with weights: ``masks,episodes=0.5``.

    Raises:
        KizuError: an unknown name, one that stands twice, or a weight that is not above 0.
    """
    weights = parse(objective)
    tasks = [OBJECTIVES[name](material, backbone, recipe, seed) for name in weights]
    return tasks[0] if len(tasks) == 1 else Mixed(tasks, list(weights.values()))


def parse(objective: str) -> dict[str, float]:
    """Name -> weight. Raises KizuError as :func:`task_of` does."""
    out: dict[str, float] = {}
    for part in objective.split(","):
        name, equals, text = (piece.strip() for piece in part.partition("="))
        if name not in OBJECTIVES:
            raise KizuError(f"--objective {objective}: no objective {name!r}; there are {', '.join(OBJECTIVES)}")
        if name in out:
            raise KizuError(f"--objective {objective}: {name} stands twice")
        try:
            out[name] = float(text) if equals else 1.0
        except ValueError:
            out[name] = 0.0
        if not 0 < out[name] < float("inf"):
            raise KizuError(f"--objective {objective}: the weight of {name} is a number above 0")
    return out
