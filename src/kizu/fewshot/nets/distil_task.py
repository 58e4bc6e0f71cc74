"""A student that learns to reproduce what a teacher sees, as a task of the training loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from kizu.core.card import Card
from kizu.fewshot.backbones import exported
from kizu.fewshot.lessons import RIM, Lessons, Window
from kizu.fewshot.nets.student import Student
from kizu.fewshot.network import NAME, Network
from kizu.models.registry import build_backbone
from kizu.pretrain.nets.plan import Plan, Trained
from kizu.pretrain.nets.short import train_here
from kizu.pretrain.nets.task import Task

_BATCH = 8
_LR = 1e-3
_AVERAGE = 0.98  # decay a step: the runs are short
_LOOKS = 6  # at the held-out windows
_AT_ONCE = 8


class _Model(nn.Module):
    """The student under the name that its weights have in a file."""

    def __init__(self, student: Student):
        super().__init__()
        self.backbone = student

    def forward(self, images: torch.Tensor, stats: torch.Tensor) -> torch.Tensor:
        """Features (B, D, n, n) of windows, the rim left out."""
        return self.backbone(images, stats)[0][..., RIM:-RIM, RIM:-RIM]


class DistilTask(Task):
    """The squared error of the teacher's standardised channels, as a share of their energy."""

    name = "student"
    architecture = "student"

    def __init__(self, student: Student, lessons: Lessons):
        self.model, self.lessons = _Model(student), lessons
        self._truth: list[tuple[np.ndarray, np.ndarray]] = []

    def batch(self, step: int) -> dict[str, Any]:
        windows = [self.lessons.window(step * _BATCH + k) for k in range(_BATCH)]
        skipped, self.lessons.skipped = self.lessons.skipped, []
        seen = self.lessons.seen(windows)
        wanted, energy = self.lessons.standard(seen.reshape(-1, seen.shape[-1]))
        wanted = torch.from_numpy(wanted.reshape(*seen.shape[:3], -1)).permute(0, 3, 1, 2)
        out = _inputs(windows) | {"wanted": wanted, "energy": torch.tensor(float(energy.mean()))}
        return out | ({"skipped": skipped} if skipped else {})

    def loss(self, model: nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        off = model(batch["images"], batch["stats"]).float() - batch["wanted"]
        return {"loss": off.square().sum(1).mean() / batch["energy"]}

    def validate(self, model: nn.Module) -> dict[str, float]:
        """``score``: the share of the variance of the teacher's standardised channels on the held-out windows that the
        student explains; what lies in directions that are left out counts as missed.
        """
        held, standard = self.lessons.held, self.lessons.standard
        missed = total = 0.0
        for first in range(0, len(held), _AT_ONCE):
            windows = held[first : first + _AT_ONCE]
            seen = self.lessons.seen(windows)
            wanted, energy = standard(seen.reshape(-1, seen.shape[-1]))
            given = {name: value.to(next(model.parameters()).device) for name, value in _inputs(windows).items()}
            said = model(**given).float().permute(0, 2, 3, 1).reshape(wanted.shape).cpu().numpy()
            missed += float(energy.sum() - np.square(wanted).sum() + np.square(wanted - said).sum())
            total += float(energy.sum())
        return {"score": 1 - missed / total}

    def picture(self, model: nn.Module) -> None:
        """None: nobody would see it."""

    def card(self) -> Card:
        return Card(kind="student")


def _begin(student: Student, lessons: Lessons) -> None:
    """The reading of the student as a ridge regression on some windows."""
    cells, wanted = [], []
    for first in range(0, len(lessons.first), _AT_ONCE):
        windows = lessons.first[first : first + _AT_ONCE]
        stacked = student.stacked(**_inputs(windows))[..., RIM:-RIM, RIM:-RIM]
        cells.append(stacked.permute(0, 2, 3, 1).flatten(0, 2).numpy())
        seen = lessons.seen(windows)
        wanted.append(lessons.standard(seen.reshape(-1, seen.shape[-1]))[0])
    student.read(np.concatenate(cells), np.concatenate(wanted))


def _inputs(windows: list[Window]) -> dict[str, torch.Tensor]:
    images = torch.from_numpy(np.stack([window.image for window in windows])).permute(0, 3, 1, 2)
    return {"images": images, "stats": torch.from_numpy(np.concatenate([window.stats for window in windows]))}


def teach(
    lessons: Lessons, minutes: float | None, steps: int | None, seed: int, strict: bool = False
) -> tuple[Network, Trained]:
    """Train a student, and export it.

    Raises:
        KizuError: no picture can be read (or one cannot, where ``strict``), training fails, or the student cannot be
            exported.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        student = Student(build_backbone(NAME, pretrained=True), lessons.standard.axes.shape[1]).eval()
    _begin(student, lessons)
    task = DistilTask(student, lessons)
    plan = Plan(
        steps=steps, minutes=None if steps else minutes, batch=_BATCH, lr=_LR, average=_AVERAGE, seed=seed, workers=0,
        validations=_LOOKS, checkpoint_seconds=1e9,
    )  # fmt: skip
    done = train_here(task, plan, strict)
    return exported(student.eval(), f"a student of {lessons.teacher.name}", [w.image for w in lessons.held[:2]]), done
