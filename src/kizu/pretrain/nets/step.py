"""One training step: what is prepared once (device, processes, precision, optimiser), and the step itself."""

from __future__ import annotations

import copy
import gc
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, recursively_apply, send_to_device
from torch import nn

from kizu.pretrain.nets import precision
from kizu.pretrain.nets.average import Average
from kizu.pretrain.nets.plan import Plan
from kizu.pretrain.nets.task import Task


def launched() -> Accelerator:
    """The place of this process: CPU or GPU, alone or with others that ``torchrun`` or ``accelerate`` started."""
    # Heads that an empty picture does not reach have no gradient in that step.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    # Without being told, accelerate takes processes that share a CPU for so many runs on their own.
    return Accelerator(cpu=not torch.accelerator.is_available(), kwargs_handlers=[unused])


def leave() -> None:
    """Part from the other processes, all at once, when a run has ended well; nothing where there are none.

    Threads that still hold a sum of the last step when Python ends abort the process, and with it the run of all.
    """
    if torch.distributed.is_initialized():
        gc.collect()  # the model that was shared, and its hold on the group
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


class Trainer:
    """Model, optimiser and running average of a task.

    Attributes:
        precision: float32 or bfloat16.
        average: of the weights.
    """

    def __init__(self, task: Task, plan: Plan, place: Accelerator, example: dict[str, Any], asked: str):
        """
        Args:
            example: a batch to try precisions on.
            asked: a precision, or ``auto``.
        """
        self.task, self.plan, self.place = task, plan, place
        # Pixel by pixel, channels last: convolutions are quicker so, by a quarter in float32 on a CPU.
        task.model.to(place.device, memory_format=torch.channels_last)
        self.precision = _agreed(place, precision.choose(asked, place.device, self._probe(example)))
        self.average = Average(task.model, plan.average)
        optimiser = torch.optim.AdamW(_groups(task.model, plan.weight_decay), plan.lr, betas=(0.9, 0.98))
        self._loss, self._optimiser = place.prepare(_Loss(task, task.model, self.precision), optimiser)

    def step(self, number: int, batch: dict[str, Any], lr: float) -> dict[str, torch.Tensor]:
        """Learn from the batch of step ``number``; the sum and the terms of the loss, and the length of the gradient.

        They stay on the device: reading them at each step would hold a GPU up.
        """
        torch.manual_seed((self.plan.seed * 1_000_003 + number) * self.place.num_processes + self.place.process_index)
        for group in self._optimiser.param_groups:
            group["lr"] = lr
        terms = self._loss(_arranged(send_to_device(batch, self.place.device, non_blocking=True)))
        loss = sum(terms.values())
        self._optimiser.zero_grad()
        self.place.backward(loss)
        length = self.place.clip_grad_norm_(self.task.model.parameters(), self.plan.clip)
        self._optimiser.step()
        self.average.update(self.task.model, number)
        told = {"loss": loss} | ({f"loss {name}": value for name, value in terms.items()} if len(terms) > 1 else {})
        return {name: value.detach().float() for name, value in told.items()} | {"gradient": length.float()}

    def state(self) -> dict[str, Any]:
        """Everything that further steps depend on."""
        return {
            "model": self.task.model.state_dict(),
            "average": self.average.model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of :meth:`state`. Raises RuntimeError or ValueError where it is that of another model."""
        self.task.model.load_state_dict(state["model"])
        self.average.model.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])

    def _probe(self, example: dict[str, Any]):
        models: dict[str, nn.Module] = {}
        batch = _arranged(send_to_device(example, self.place.device))

        def probe(name: str) -> None:
            if name not in models:
                models[name] = copy.deepcopy(self.task.model)
            sum(_Loss(self.task, models[name], name)(batch).values()).backward()

        return probe


class _Loss(nn.Module):
    """The loss of a task as a module, whose ``forward`` is what keeps the gradients of all processes the same."""

    def __init__(self, task: Task, model: nn.Module, precision: str):
        super().__init__()
        self.model, self.precision = model, precision
        self._task = (task,)  # within a tuple: it is no part of this module

    def forward(self, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        kind = next(self.model.parameters()).device.type
        with torch.autocast(kind, torch.bfloat16, enabled=self.precision == "bfloat16"):
            return self._task[0].loss(self.model, batch)


def _arranged(batch: dict[str, Any]) -> dict[str, Any]:
    """Pictures and maps in the order of the weights."""
    return recursively_apply(
        lambda value: value.contiguous(memory_format=torch.channels_last),
        batch,
        test_type=lambda value: isinstance(value, torch.Tensor) and value.ndim == 4,
    )


def _agreed(place: Accelerator, name: str) -> str:
    """The precision that the first process has chosen."""
    if place.num_processes == 1:
        return name
    choice = torch.tensor([float(name == "bfloat16")], device=place.device)
    torch.distributed.broadcast(choice, 0)
    return "bfloat16" if choice.item() else "float32"


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights of two axes or more decay; biases and norms do not."""
    chosen = [value for value in model.parameters() if value.requires_grad]
    decayed = [value for value in chosen if value.ndim > 1]
    others = [value for value in chosen if value.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
