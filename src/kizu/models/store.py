"""Weight files: safetensors with an architecture and a card, never pickle; those that Kizu ships go by name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kizu.core.card import Card
from kizu.core.errors import KizuError
from kizu.core.files import write_bytes

if TYPE_CHECKING:
    from torch import nn

SHIPPED = Path(__file__).parent / "weights"
SUFFIX = ".safetensors"
# Counters of batch norm, which nothing reads where momentum is given.
_COUNTERS = "num_batches_tracked"


@dataclass
class Weights:
    """What a weight file holds.

    Attributes:
        architecture: name of the registry, ``kizu-s``.
        arrays: name -> array, names beginning with the part: ``backbone.``, ``pyramid.``, ``head.``
        card: what they were made from.
        source: the file, for messages.
    """

    architecture: str
    arrays: dict[str, np.ndarray]
    card: Card
    source: str = ""

    def part(self, part: str) -> dict[str, np.ndarray]:
        """Arrays of a part without its prefix; empty where the file has no such part."""
        prefix = f"{part}."
        return {name.removeprefix(prefix): value for name, value in self.arrays.items() if name.startswith(prefix)}

    def into(self, module: nn.Module, part: str = "backbone") -> None:
        """Copy the arrays of a part into a module; types are those of the module.

        Raises:
            KizuError: another architecture: names or shapes differ, and nothing was copied.
        """
        import torch

        arrays = self.part(part)
        wanted = {name: tuple(value.shape) for name, value in module.state_dict().items() if _COUNTERS not in name}
        given = {name: value.shape for name, value in arrays.items()}
        if wanted != given:
            raise KizuError(f"{self.source or 'weights'}: {self._difference(module, part, wanted, given)}")
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
        module.load_state_dict(tensors, strict=False)  # names were compared; only counters are left as they are

    def _difference(self, module, part: str, wanted: dict, given: dict) -> str:
        """Why arrays do not fit a module."""
        if not given:
            parts = sorted({name.partition(".")[0] for name in self.arrays})
            return f"no part {part!r}, only {', '.join(parts)}; take another file"
        name = getattr(module, "architecture", type(module).__name__)
        if part == "backbone" and name != self.architecture:
            return f"these are weights of {self.architecture}, and the model is {name}; take a file of {name}"
        first = next(n for n in sorted(wanted.keys() | given.keys()) if wanted.get(n) != given.get(n))
        want, have = wanted.get(first, "nothing"), given.get(first, "nothing")
        return f"{part}.{first} is {have} here and {want} in the model {name}; the file is of another version of it"


def arrays_of(module: nn.Module, part: str, half: bool = True) -> dict[str, np.ndarray]:
    """Parameters and statistics of a module by name, the part before it.

    With ``half``, kernels are float16; vectors (biases, statistics of batch norm, which pass its range) stay float32.
    """
    arrays = {}
    for name, value in module.state_dict().items():
        if _COUNTERS not in name:
            array = value.detach().float().cpu().numpy() if value.is_floating_point() else value.cpu().numpy()
            half_too = half and array.ndim > 1 and array.dtype == np.float32
            arrays[f"{part}.{name}"] = array.astype(np.float16) if half_too else array.copy()
    return arrays


def save_weights(path: Path | str, arrays: dict[str, np.ndarray], architecture: str, card: Card) -> None:
    """Write a weight file, atomically; the same arrays and card are the same bytes.

    Args:
        arrays: name -> array; names begin with the part (``backbone.``).
        architecture: name of the backbone in the registry.

    Raises:
        KizuError: a value that is not finite, or the file system refuses.
    """
    from safetensors.numpy import save

    for name, value in arrays.items():
        if not np.isfinite(value).all():
            raise KizuError(f"{path}: {name} is not finite: the training went astray, or float16 is too small for it")
    record = {"kind": "weights", "format": 1, "architecture": architecture}
    data = save({name: np.asarray(arrays[name], order="C") for name in sorted(arrays)})
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = {"kizu": json.dumps(record, sort_keys=True), "card": card.to_json()}
    # safetensors gives the order of its header no promise; sorted, the same weights are the same bytes.
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    write_bytes(path, len(text).to_bytes(8, "little") + text + data[end:])


def shipped() -> list[str]:
    """Names of the weights that come with Kizu."""
    return sorted(path.stem for path in SHIPPED.glob(f"*{SUFFIX}"))


def weights_path(source: Path | str) -> Path:
    """The file of a shipped name or a path.

    Raises:
        KizuError: there is none; the message names the shipped ones.
    """
    own = SHIPPED / f"{str(source).replace('_', '-')}{SUFFIX}"
    path = Path(source)
    if path.is_file():
        return path
    if own.parent == SHIPPED and own.is_file():
        return own
    known = ", ".join(shipped()) or "none"
    raise KizuError(f"{source}: no such weight file; name a file, or weights that come with Kizu: {known}")


def load_weights(source: Path | str) -> Weights:
    """Read a weight file.

    Args:
        source: a path, or the name of shipped weights (``kizu-s``).

    Raises:
        KizuError: missing, truncated, or not made by Kizu.
    """
    from safetensors import SafetensorError, safe_open

    path = weights_path(source)
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise KizuError(f"{path}: cannot be read as weights ({error}); copy it again") from error
    try:
        record = json.loads(metadata["kizu"])
        kind, version, architecture = record["kind"], record["format"], str(record.get("architecture"))
        card = Card.from_json(metadata["card"])
    except (KizuError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise KizuError(f"{path}: a safetensors file, but not weights made by Kizu") from error
    if kind != "weights":
        raise KizuError(
            f"{path}: a fitted model ({kind}), not a weight file; name weights, as kizu pretrain writes them"
        )
    if version != 1:
        raise KizuError(f"{path}: a weight file of format {version}, made by a later Kizu; update Kizu")
    return Weights(architecture, arrays, card, str(path))
