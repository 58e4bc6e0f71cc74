"""Checkpoints: all that a run needs to go on exactly where it stopped, in one file that is whole or not there."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from kizu.core.errors import KizuError
from kizu.core.files import write_bytes

FORMAT = 1
NAME = "checkpoint.pt"
_KEYS = {"format", "step", "seconds", "model", "average", "optimiser", "best", "validated", "since_best", "precision"}


def write_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write ``state`` (tensors, numbers, texts, lists and dictionaries) as the checkpoint of a run folder.

    Raises:
        KizuError: the file system refuses; the checkpoint before stays as it is.
    """
    # In memory first: on a full disk torch's own writer ends with an error that does not say so.
    data = io.BytesIO()
    torch.save({"format": FORMAT, **state}, data)
    write_bytes(folder / NAME, data.getbuffer())


def read_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The checkpoint of a run folder, on the CPU; None where there is none.

    Raises:
        KizuError: a file that is damaged, or that another version has written.
    """
    path = folder / NAME
    if not path.exists():
        return None
    again = "delete it, and the run begins again"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise KizuError(f"{path}: the checkpoint is damaged; {again}") from error
    if not isinstance(state, dict) or not state.keys() >= _KEYS or state["format"] != FORMAT:
        raise KizuError(f"{path}: not a checkpoint of this version of Kizu; {again}")
    return state
