"""``Plan``: how a run goes, apart from what it learns, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kizu.core.errors import KizuError
from kizu.pretrain.schedule import Budget


@dataclass(frozen=True)
class Plan:
    """Settings of a run.

    Attributes:
        steps, minutes: when it ends; of both, the first counts. Minutes include those of the parts before a resume.
        batch: samples of each process in a step; for the log only, since the task makes the batches.
        lr: largest learning rate, of AdamW.
        weight_decay: of weights with two axes or more; biases and norms have none.
        warm_up: share of the run over which the learning rate rises.
        clip: longest gradient.
        average: decay of the running average of the weights, a step.
        seed: of all chance in the model.
        workers: processes that make batches; 0 = this one.
        precision: float32, bfloat16, or auto: bfloat16 on a GPU, and on a CPU that multiplies it and is quicker so.
        log_every: steps of a line of the log.
        validations: in the whole run, evenly spread.
        patience: validations without a better score after which the run ends; None = never.
        checkpoint_seconds: a checkpoint is written when so much time has passed, and at each validation.
    """

    steps: int | None = None
    minutes: float | None = None
    batch: int = 16
    lr: float = 1e-3
    weight_decay: float = 0.05
    warm_up: float = 0.05
    clip: float = 1.0
    average: float = 0.999
    seed: int = 0
    workers: int = 1
    precision: str = "auto"
    log_every: int = 10
    validations: int = 10
    patience: int | None = None
    checkpoint_seconds: float = 120.0

    def __post_init__(self):
        """Raises KizuError for settings that make no sense."""
        Budget(self.steps, self.minutes)
        wrong = [name for name in ("batch", "lr", "clip", "log_every", "validations") if not getattr(self, name) > 0]
        wrong += [name for name in ("weight_decay", "seed", "workers") if getattr(self, name) < 0]
        if wrong:
            told = ", ".join(f"{name} {getattr(self, name)}" for name in wrong)
            raise KizuError(f"{told}: too small; batch, learning rate and the like are above 0, the others 0 or more")
        if not 0 <= self.warm_up < 1 or not 0 <= self.average < 1:
            raise KizuError(f"warm-up {self.warm_up}, average {self.average}: shares are from 0 to below 1")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise KizuError(f"precision {self.precision!r}: it is auto, float32 or bfloat16")


@dataclass
class Trained:
    """What a run came to.

    Attributes:
        weights: file of the best weights.
        steps, samples: done, those before a resume included, of all processes.
        seconds: likewise.
        figures: of the best validation, ``score`` among them.
        rate: samples a second of this part of the run, 0 where it had nothing to do.
        waiting: share of its time that it waited for data.
        precision: float32 or bfloat16.
        skipped: one record {item, reason} for each item that could not be used.
        main: whether this is the first process, which tells about the run.
    """

    weights: Path
    steps: int
    samples: int
    seconds: float
    figures: dict[str, float]
    rate: float = 0.0
    waiting: float = 0.0
    precision: str = "float32"
    skipped: list[dict[str, str]] = field(default_factory=list)
    main: bool = True
