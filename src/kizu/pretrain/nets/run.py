"""One pre-training from its settings: the network, the task, the plan and the configuration that the folder keeps."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import torch

from kizu import __version__
from kizu.models.nets.fold import add_norms, has_norms
from kizu.models.registry import build_backbone, entry
from kizu.models.store import load_weights
from kizu.pretrain.material import Material
from kizu.pretrain.nets.loop import train
from kizu.pretrain.nets.objectives import parse, task_of
from kizu.pretrain.nets.plan import Plan, Trained
from kizu.pretrain.nets.step import launched, leave
from kizu.pretrain.recipe import Recipe, scaled


def pretrain(
    material: Material,
    folder: Path,
    recipe: Recipe,
    *,
    objective: str,
    seed: int,
    minutes: float | None,
    whole: bool,
    weights: Path | str | None,
    precision: str,
    workers: int,
    resume: bool,
    strict: bool,
) -> Trained:
    """Train a backbone of the registry on a material; one without norms, begun from nothing, has some meanwhile.

    Args:
        whole: the samples of the recipe bound the run, besides the minutes.
        weights: of the backbone, to begin with.

    Raises:
        KizuError: see :func:`kizu.pretrain.nets.loop.train` and :meth:`kizu.models.store.Weights.into`.
    """
    world = launched().num_processes
    plan = Plan(
        steps=math.ceil(recipe.samples / (recipe.batch * world)) if whole else None,
        minutes=minutes, batch=recipe.batch, lr=scaled(recipe.lr, world), seed=seed, workers=workers,
        precision=precision,
    )  # fmt: skip
    config = {"kizu": __version__, "objective": parse(objective), "seed": seed, "minutes": minutes}
    config |= {"recipe": asdict(recipe) | {"samples": recipe.samples if whole else None}, "precision": precision}
    config |= {"weights": None if weights is None else str(weights), "data": material.config}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        backbone = build_backbone(entry(recipe.model).name)
        begun = None if weights is None else load_weights(weights)
        if begun is not None:
            begun.into(backbone)
        elif not has_norms(backbone):
            add_norms(backbone)
            config |= {"norms": "while it learns; folded into the kernels that are saved"}
        task = task_of(objective, material, backbone, recipe, seed)
        task.begun = None if begun is None else begun.card
    done = train(task, folder, plan, config, resume, strict)
    leave()
    return done
