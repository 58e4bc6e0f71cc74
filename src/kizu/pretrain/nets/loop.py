"""The training loop: any task, on a CPU, a GPU or many of them, with the same command, resumed to the same result.

A run is a folder: ``config.json``, ``log.csv`` and ``validation.csv``, ``loss.png``, ``samples.png``, ``checkpoint.pt``
and ``weights.safetensors``, the best by validation. What is learned depends on the configuration and the step alone:
batches are functions of the step, the model's chance is seeded at each step, and everything else is in the checkpoint.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from accelerate.utils import gather_object

from kizu import __version__
from kizu.core.errors import DataError, KizuError
from kizu.core.files import write_bytes
from kizu.core.images import encode_image
from kizu.core.run import Skips, progress
from kizu.pretrain.curves import curves
from kizu.pretrain.folder import open_folder
from kizu.pretrain.log import Log
from kizu.pretrain.nets.batches import batches
from kizu.pretrain.nets.checkpoint import read_checkpoint, write_checkpoint
from kizu.pretrain.nets.plan import Plan, Trained
from kizu.pretrain.nets.step import Trainer, launched
from kizu.pretrain.nets.task import Task
from kizu.pretrain.schedule import Budget, rate

WEIGHTS = "weights.safetensors"


def train(
    task: Task,
    folder: Path | str,
    plan: Plan,
    config: dict[str, Any] | None = None,
    resume: bool = False,
    strict: bool = False,
) -> Trained:
    """Train the model of a task.

    On a CPU the same configuration gives the same weights, bit for bit, with the same number of threads.

    Args:
        folder: of the run.
        config: JSON-able; a run is gone on with only where it is the same.
        resume: go on with the run in the folder; where there is none, begin.
        strict: the first item that cannot be used ends the run.

    Raises:
        KizuError: a folder that holds something else or a run of another configuration, a damaged checkpoint, a loss
            that is no number, memory or disk used up. What the last checkpoint holds is kept.
        DataError: an item that cannot be used, where ``strict``.
    """
    place = launched()
    task.rank, task.world = place.process_index, place.num_processes
    folder = Path(folder)
    with place.main_process_first():
        if place.is_main_process:
            open_folder(folder, (config or {}) | {"processes": place.num_processes}, resume)
    state = read_checkpoint(folder)
    try:
        with torch.random.fork_rng(), _exact(place.device):
            run = _Run(task, folder, plan, place, state, Skips(strict))
            return run.go()
    except torch.OutOfMemoryError as error:
        raise KizuError("the memory of the GPU is used up; take a smaller --batch or --size") from error


@contextlib.contextmanager
def _exact(device: torch.device) -> Iterator[None]:
    """On a CPU: sums in a fixed order. GPUs have no such kernel for some of what networks need."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory
    if device.type == "cpu":
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.utils.deterministic.fill_uninitialized_memory = filled


class _Run:
    """One run, from its first step or from a checkpoint to its end."""

    def __init__(self, task: Task, folder: Path, plan: Plan, place, state: dict[str, Any] | None, skips: Skips):
        self.task, self.folder, self.plan, self.place, self.skips = task, folder, plan, place, skips
        self.budget = Budget(plan.steps, plan.minutes)
        self.main = place.is_main_process
        self.begun = monotonic()
        self.state = state
        state = state or {"step": 0, "seconds": 0.0, "best": {}, "validated": 0, "since_best": 0}
        self.step, self.before, self.best = state["step"], state["seconds"], state["best"]
        self.validated, self.since_best = state["validated"], state["since_best"]
        self.skips.items = list(state.get("skipped", ()))
        if self.main:
            self.log = Log(folder / "log.csv", self.step)
            self.validations = Log(folder / "validation.csv", self.step)
        self.saved, self.waited, self.first = self.before, 0.0, self.step
        self.sums: dict[str, torch.Tensor] = {}
        self.marked = self.begun, 0.0  # when the last line of the log was written, and how long was waited before

    def go(self) -> Trained:
        """Run to the end."""
        self._tick()
        if not self.over:
            made = batches(self.task, self.step, self.plan.steps, self.plan.workers, self.place.device.type == "cuda")
            with contextlib.closing(made) as made:
                self._train(made)
        precision = self.state["precision"] if self.state else self.trainer.precision
        if self.main:
            self.skips.write(self.folder)
        here = monotonic() - self.begun
        each = self.plan.batch * self.place.num_processes
        return Trained(
            self.folder / WEIGHTS, self.step, self.step * each, self.now, self.best,
            (self.step - self.first) * each / here if self.step > self.first else 0.0,
            self.waited / here if self.step > self.first else 0.0, precision, self.skips.items, self.main,
        )  # fmt: skip

    def _train(self, made: Iterator[dict[str, Any]]) -> None:
        batch = self._next(made)
        asked = self.state["precision"] if self.state else self.plan.precision
        self.trainer = Trainer(self.task, self.plan, self.place, batch, asked)
        if self.state:
            try:
                self.trainer.restore(self.state)
            except (RuntimeError, ValueError, KeyError) as error:
                raise KizuError(f"{self.folder}: its checkpoint is of another model; name another folder") from error
            self.state = self.state | {"precision": self.trainer.precision}
        total = self.plan.steps or round(60 * self.plan.minutes)
        with progress(f"training {self.task.name}", total, None if self.main else False) as tell:
            tell(self.step if self.plan.steps else round(self.before))
            while True:
                lr = self.plan.lr * rate(self.budget.share(self.step, self.now), self.plan.warm_up)
                for name, value in self.trainer.step(self.step, batch, lr).items():
                    self.sums[name] = self.sums.get(name, 0) + value
                self.step += 1
                self._tick()
                self._show(tell)
                if self.step % self.plan.log_every == 0 or self.over:
                    self._write_line(lr)
                    self._look()
                if self.over:
                    return
                batch = self._next(made)

    def _next(self, made: Iterator[dict[str, Any]]) -> dict[str, Any]:
        """The next batch; what could not be used is noted."""
        began = monotonic()
        batch = next(made)
        self.waited += monotonic() - began
        for item in batch.pop("skipped", ()):
            if self.skips.strict:
                raise DataError(item["reason"])
            if item not in self.skips.items:
                self.skips.items.append(item)
        return batch

    # --- time -----------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Look at the clock, that of the first process: all have to agree on learning rate and end."""
        self.now = self.before + monotonic() - self.begun
        if self.plan.minutes is not None and self.place.num_processes > 1:
            now = torch.tensor([self.now], device=self.place.device)
            torch.distributed.broadcast(now, 0)
            self.now = float(now)

    @property
    def over(self) -> bool:
        """Whether steps, minutes or patience are used up."""
        tired = self.plan.patience is not None and self.since_best >= self.plan.patience
        return tired or self.budget.spent(self.step, self.now) >= 1

    def _show(self, tell) -> None:
        if self.plan.steps:
            tell(1)
        else:
            now = round(min(self.now, 60 * self.plan.minutes))
            tell(max(now - getattr(self, "shown", round(self.before)), 0))
            self.shown = now

    # --- what is written ------------------------------------------------------------------------------------------

    def _write_line(self, lr: float) -> None:
        """A line of the log: means over the steps since the last one.

        Raises:
            KizuError: the loss is not a number.
        """
        steps = (self.step - 1) % self.plan.log_every + 1
        names = list(self.sums)
        means = self.place.reduce(torch.stack([self.sums[name] for name in names]), "mean") / steps
        row = dict(zip(names, means.tolist(), strict=True))
        self.sums = {}
        if not math.isfinite(row["loss"] + row["gradient"]):
            raise KizuError(
                f"the loss is {row['loss']:g} and its gradient {row['gradient']:g} at step {self.step}: training has "
                "come apart; begin again with a smaller --lr"
            )
        now, samples = monotonic(), self.plan.batch * self.place.num_processes
        spent = max(now - self.marked[0], 1e-9)
        line = {"step": self.step, "samples": self.step * samples, "learning rate": lr} | row
        line |= {"seconds": round(self.now, 3), "share": round(self.budget.spent(self.step, self.now), 6)}
        line |= {"samples a second": round(steps * samples / spent, 3)}
        line |= {"waiting": round((self.waited - self.marked[1]) / spent, 4)}
        self.marked = now, self.waited
        if self.main:
            self.log.add(line)

    def _look(self) -> None:
        """Validate and write a checkpoint where it is time."""
        share = self.budget.spent(self.step, self.now)
        due = min(int(share * self.plan.validations), self.plan.validations)
        validate = due > self.validated or self.over
        if validate:
            self.validated = due
            self._validate()
        if validate or self.now - self.saved > self.plan.checkpoint_seconds:
            self.saved = self.now
            self._save()

    def _validate(self) -> None:
        figures: list[dict[str, float]] = [{}]
        if self.main:
            model = self.trainer.average.model
            with torch.no_grad():
                figures = [self.task.validate(model)]
                picture = self.task.picture(model)
            if picture is not None:
                write_bytes(self.folder / "samples.png", encode_image(picture))
            self.validations.add({"step": self.step} | figures[0])
            write_bytes(self.folder / "loss.png", curves(self.log.rows, self.validations.rows))
        if self.place.num_processes > 1:
            torch.distributed.broadcast_object_list(figures, 0)
        better = not self.best or figures[0]["score"] > self.best["score"]
        self.since_best = 0 if better else self.since_best + 1
        if better:
            self.best = figures[0] | {"step": self.step}
            if self.main:
                self.task.save(self.trainer.average.model, self.folder / WEIGHTS, self._card())

    def _card(self):
        card, begun = self.task.card(), self.task.begun
        card.version = __version__
        if begun is not None:
            seen = begun.figures.get("samples", "an unknown number of")
            card.data = [*begun.data, *card.data]
            card.notes += [*begun.notes, f"Begun with weights that had seen {seen} pictures."]
        card.figures |= {
            "validation": {name: value for name, value in self.best.items() if name != "step"},
            "steps": self.step,
            "samples": self.step * self.plan.batch * self.place.num_processes,
        }
        if self.plan.minutes:
            card.figures["minutes_of_the_run"] = self.plan.minutes
        return card

    def _save(self) -> None:
        """Write a checkpoint, with what all processes could not use."""
        if self.place.num_processes > 1:
            every = gather_object([json.dumps(item) for item in self.skips.items])
            self.skips.items = [json.loads(text) for text in sorted(set(every))]
        if self.main:
            state = {
                "step": self.step, "seconds": self.now, "best": self.best, "validated": self.validated,
                "since_best": self.since_best, "precision": self.trainer.precision, "skipped": self.skips.items,
            }  # fmt: skip
            write_checkpoint(self.folder, state | self.trainer.state())
