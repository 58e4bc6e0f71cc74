"""Which numbers to calculate with: float32, or bfloat16 where the machine is made for it."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

_GAIN = 0.9  # bfloat16 has to be quicker by this, for it costs some exactness


def choose(asked: str, device: torch.device, probe: Callable[[str], None]) -> str:
    """``float32`` or ``bfloat16``.

    Args:
        asked: one of them, or ``auto``: on a GPU bfloat16, if it has it; on a CPU that multiplies bfloat16, the one
            that is measured to be quicker; else float32.
        probe: one training step in the precision of this name, on a copy of the model.
    """
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device.type != "cpu" or not torch.cpu.get_capabilities().get("avx512_bf16", False):
        return "float32"
    return "bfloat16" if _seconds(probe, "bfloat16") < _GAIN * _seconds(probe, "float32") else "float32"


def _seconds(probe: Callable[[str], None], precision: str) -> float:
    """Processor time of a step, after one that makes things ready; other programs do not count."""
    probe(precision)
    began = time.process_time()
    probe(precision)
    return time.process_time() - began
