"""The detector as an inspector: a trained network and a threshold for each class."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from kizu.core.card import Card
from kizu.core.errors import KizuError, optional
from kizu.core.inspector import Inspector
from kizu.core.instances import Instances
from kizu.detector.engine import Engine, settled
from kizu.models.registry import entry

DENSE = "kizu-dense"  # runs on ONNX Runtime; the others need torch to predict


class DetectorInspector(Inspector):
    """Finds the classes of a labelled set.

    Attributes:
        card: see :class:`kizu.core.card.Card`.
        model: name of the network in the registry.
        levels: for each class the log odds of the raw score that is its threshold.
    """

    kind: ClassVar[str] = "detector"

    def __init__(self, card: Card, model: str, levels: list[float], engine: Engine | Network):
        """
        Args:
            engine: or what it is made from; then it is made at the first picture.
        """
        self.card, self.model, self.levels = card, model, levels
        self._engine = engine

    @property
    def engine(self) -> Engine:
        """The network. Raises KizuError where it needs an extra that is not installed."""
        if isinstance(self._engine, Network):
            self._engine = self._engine.engine()
        return self._engine

    def inspect(self, image: np.ndarray, min_score: float = 0.5) -> tuple[Instances, np.ndarray | None]:
        """Instances, strongest first, and score maps float32 (C, H, W) of one uint8 (H, W, 3) RGB image.

        Only the dense detector has score maps.
        """
        return settled(self.engine.candidates(image), self.levels, self.engine.feet, min_score)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, settings = self._engine.state()
        return arrays, settings | {"model": self.model, "levels": self.levels}

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any], card: Card) -> DetectorInspector:
        model, levels = str(settings["model"]), [float(level) for level in settings["levels"]]
        count = len(card.classes)
        if len(levels) != count or not np.isfinite(levels).all():
            raise KizuError(f"{count} classes, and {len(levels)} thresholds")
        if model != DENSE:
            return cls(card, model, levels, Network(arrays, settings, count))
        from kizu.detector.dense import DenseEngine

        return cls(card, model, levels, DenseEngine.from_state(arrays, settings))


class Network:
    """A network of torch that is not built yet, so that a model file can be read where torch is missing."""

    def __init__(self, arrays: dict[str, np.ndarray], settings: dict[str, Any], classes: int):
        self._arrays, self._settings, self._classes = arrays, settings, classes

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """What it is made from."""
        return self._arrays, self._settings

    def engine(self) -> Engine:
        """Build it. Raises KizuError where a library is missing, or the arrays are of another network."""
        optional("torch", entry(self._settings["model"]).extra)
        from kizu.detector.nets.engine import TorchEngine

        return TorchEngine.from_state(self._arrays, self._settings, self._classes)
