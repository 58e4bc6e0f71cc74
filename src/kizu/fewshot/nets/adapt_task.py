"""Fine-tuning of the dense detector on a handful of pictures, as a task of the training loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from kizu.core.card import Card
from kizu.core.dataset import Dataset
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.detector.engine import log_odds
from kizu.detector.inspector import DENSE
from kizu.detector.nets.engine import TorchSession
from kizu.detector.nets.task import DetectorTask
from kizu.detector.pictures import Part, Pictures
from kizu.detector.settings import settings_for
from kizu.detector.start import begin
from kizu.fewshot.adapt import Held
from kizu.fewshot.cells import to_cells
from kizu.fewshot.decoder import Decoder
from kizu.fewshot.network import NAME
from kizu.fewshot.support import OTHERS
from kizu.fewshot.thresholds import NEVER
from kizu.inspection.calibrate import best_level
from kizu.inspection.tiling import plan
from kizu.models.dense_targets import STRIDE, dense_targets
from kizu.models.nets.export import export_dense
from kizu.models.store import load_weights
from kizu.pretrain.nets.plan import Plan
from kizu.pretrain.nets.short import train_here
from kizu.synth.compose.options import Options
from kizu.synth.compose.within import composed_of

_LOOKS = 4  # at the held-out pictures
_AVERAGE = 0.98  # decay a step: the runs are short


@dataclass(frozen=True)
class Tuned:
    """A network, the share of its time after which it was best, and the steps it was trained for."""

    decoder: Decoder
    best: float
    steps: int


class _Known(Part):
    """A support; what its instances of label ``len(names)`` are is not known."""

    def __getitem__(self, i: int) -> Sample:
        return self.dataset[i]

    @classmethod
    def of(cls, samples: list[Sample], names: tuple[str, ...]) -> _Known:
        labels = [sample.instances.labels for sample in samples]
        counts = np.array([np.bincount(own[own < len(names)], minlength=len(names)) for own in labels])
        good = np.array([not len(own) for own in labels])
        return cls(Dataset(samples, (*names, OTHERS)), names, counts, good)


class AdaptTask(DetectorTask):
    """The loss of the dense detector on a support; IoU on held-out pictures."""

    name = "decoder"

    def __init__(self, module: nn.Module, pictures: Pictures, settings, held: list[Held], composed: float):
        super().__init__(module, pictures, settings, Card(kind="decoder", classes=list(pictures.names)))
        self._held = held
        if composed:
            own, options = pictures.train.dataset, Options(empty=0.0)
            self._composed = composed_of(own, pictures.names, settings.seed, options=options)

    def _maps(self, target: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
        side, classes = self.settings.size, len(self.pictures.names)
        masks = Masks.from_dense(target["masks"].numpy(), (side, side))
        found = Instances(target["labels"].numpy(), masks=masks)
        return dense_targets(found, classes, ignore=(classes,)).arrays()

    def validate(self, model: nn.Module) -> dict[str, float]:
        """The best pooled IoU of each class on the held-out pictures, the mean; 0 where there are none."""
        session, pairs = TorchSession(model), {}
        for held in self._held:
            said = session.whole(held.image, plan(held.image.shape[:2], STRIDE)).classes
            fine = [to_cells(layer) for layer in held.truth]
            for k in held.judged:
                odds = np.where(_as(said[k], fine[-1]) > 0, NEVER, log_odds(said[k]))
                pairs.setdefault(k, []).append((odds, _as(said[k], fine[k]) >= 0.5))
        return {"score": float(np.mean([best_level(own)[1] for own in pairs.values()])) if pairs else 0.0}

    def picture(self, model: nn.Module) -> None:
        """None: nobody would see it."""


def _as(said: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Shares of the cells of the filter bank as those of the twice as large cells of the network."""
    height, width = said.shape
    whole = np.pad(fine, ((0, 2 * height - fine.shape[0]), (0, 2 * width - fine.shape[1])), mode="edge")
    return whole.reshape(height, 2, width, 2).mean((1, 3))


def fine_tune(
    samples: list[Sample],
    held: list[Held],
    names: tuple[str, ...],
    minutes: float | None,
    steps: int | None,
    turns: bool,
    composed: float,
    seed: int,
) -> Tuned:
    """Train on ``samples`` (labels 0 .. C - 1, C = not known), and keep what is best on ``held``.

    What is judged on ``held`` is used now and stays in torch; a network to keep is exported.

    Raises:
        KizuError: a picture cannot be read, or training fails.
    """
    part = _Known.of(samples, names)
    settings = settings_for(
        part, model=DENSE, backbone=NAME, weights=NAME, size=None, epochs=None, minutes=minutes or 1.0, turns=turns,
        seed=seed, composed=composed,
    )  # fmt: skip
    module = begin(DENSE, NAME, len(names), settings.size, load_weights(NAME), seed)
    task = AdaptTask(module, Pictures(names, part, part, True), settings, held, composed)
    plan_ = Plan(
        steps=steps, minutes=None if steps else minutes, batch=settings.batch, lr=settings.lr, average=_AVERAGE,
        seed=seed, workers=0, validations=_LOOKS if held else 1, checkpoint_seconds=1e9,
    )  # fmt: skip
    done = train_here(task, plan_)
    decoder = Decoder(TorchSession(module)) if held else Decoder.of(export_dense(module))
    return Tuned(decoder, done.figures["step"] / done.steps, done.steps)
