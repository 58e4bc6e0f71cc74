"""``Inspector``: every model is one; one method, one file, one card. The file is safetensors, never pickle."""

from __future__ import annotations

import abc
import importlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kizu.core.card import Card
from kizu.core.errors import AbsentError, KizuError
from kizu.core.files import write_bytes
from kizu.core.instances import Instances

UNKNOWN = "unknown"  # the class, always the last one, of what is unlike all that is good and of no other class

_kinds: dict[str, type[Inspector]] = {}


class Inspector(abc.ABC):
    """A fitted model. Subclasses set ``kind`` and are registered by it.

    A kind is named after the sub-package that holds it: ``fewshot``, ``fewshot-track``.
    """

    kind: ClassVar[str] = ""
    card: Card

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if cls.kind:
            _kinds[cls.kind] = cls

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in label order."""
        return tuple(self.card.classes)

    @abc.abstractmethod
    def inspect(self, image: np.ndarray, min_score: float = 0.5) -> tuple[Instances, np.ndarray | None]:
        """Instances (with scores and masks) and the score map float32 (C, H, W) of one uint8 (H, W, 3) RGB image.

        Args:
            min_score: instances scored lower are left out; under 0.5 this keeps candidates that do not fire.

        Scores are in 0..1 with 0.5 at the threshold in force, so that models can be compared and thresholds moved.
        """

    def predict(self, images: Iterable[np.ndarray], min_score: float = 0.5) -> list[Instances]:
        """Instances of each uint8 (H, W, 3) RGB image; an empty ``Instances`` says "nothing here"."""
        return [self.inspect(image, min_score)[0] for image in images]

    def score_maps(self, images: Iterable[np.ndarray]) -> list[np.ndarray | None]:
        """Score maps float32 (C, H, W) in 0..1 of each image, None for models without them."""
        return [self.inspect(image)[1] for image in images]

    @abc.abstractmethod
    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON-able settings from which :meth:`from_state` makes the same inspector."""

    @classmethod
    @abc.abstractmethod
    def from_state(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any], card: Card) -> Inspector:
        """The inverse of :meth:`state`. AbsentError where something is missing that the file does not hold."""

    def save(self, path: Path | str) -> None:
        """Write one ``.kizu`` file, atomically. Raises KizuError where the file system refuses."""
        from safetensors.numpy import save

        arrays, settings = self.state()
        metadata = {"kizu": json.dumps({"kind": self.kind, "format": 1}), "card": self.card.to_json()}
        metadata["settings"] = json.dumps(settings, sort_keys=True)
        data = save({k: np.asarray(v, order="C") for k, v in sorted(arrays.items())}, metadata)
        # safetensors writes the metadata in an order that changes from call to call; the same model is the same bytes.
        end = 8 + int.from_bytes(data[:8], "little")
        header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":")).encode()
        header += b" " * (-len(header) % 8)
        write_bytes(path, len(header).to_bytes(8, "little") + header + data[end:])

    @staticmethod
    def load(path: Path | str) -> Inspector:
        """Read a ``.kizu`` file.

        Raises:
            KizuError: missing, truncated, not made by Kizu, of a kind that this version does not know, or what it
                needs beside itself is not there.
        """
        from safetensors import SafetensorError, safe_open

        path = Path(path)
        if not path.is_file():
            raise KizuError(f"{path}: no such model file; make one with: kizu fit DATASET --out {path}")
        try:
            with safe_open(path, "numpy") as file:
                metadata = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, OSError) as error:
            raise KizuError(f"{path}: cannot be read as a model ({error}); copy it again or fit it anew") from error
        try:
            record = json.loads(metadata["kizu"])
            kind, version = str(record["kind"]), record["format"]
            settings = json.loads(metadata["settings"])
            card = Card.from_json(metadata["card"])
        except (KeyError, ValueError, TypeError, RecursionError) as error:
            raise KizuError(f"{path}: a safetensors file, but not an inspector made by Kizu") from error
        if version != 1:
            raise KizuError(f"{path}: a model file of format {version}, made by a later Kizu; update Kizu")
        made = inspector_class(kind)
        try:
            return made.from_state(arrays, settings, card)
        except AbsentError as error:
            raise KizuError(f"{path}: {error}") from error
        except (KizuError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise KizuError(
                f"{path}: its parts do not fit together ({error}); it is damaged or made by another Kizu: fit it anew"
            ) from error


def inspector_class(kind: str) -> type[Inspector]:
    """The class of a kind; its sub-package (``kizu.fewshot`` of ``fewshot-track``) is loaded, as a plug-in, when it is
    first asked for.

    Raises:
        KizuError: no such kind.
    """
    package = kind.partition("-")[0]
    if kind not in _kinds and package.isidentifier():
        try:
            importlib.import_module(f"kizu.{package}")
        except ModuleNotFoundError as error:
            if error.name != f"kizu.{package}":
                raise
    if kind not in _kinds:
        raise KizuError(f"this Kizu knows no inspector of kind {kind!r}; update Kizu, or fit the model anew")
    return _kinds[kind]
