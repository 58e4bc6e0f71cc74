"""``Decoder``: a small network fine-tuned to the support, as one more member of the scorer."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kizu.detector.engine import log_odds
from kizu.fewshot.features import STRIDE
from kizu.inspection.tiling import plan
from kizu.models.dense_targets import STRIDE as COARSE
from kizu.models.session import DenseSession

_ARRAY = "decoder.network"


@dataclass(frozen=True)
class Decoder:
    """A dense detector on ONNX Runtime, of which the maps of the classes are used."""

    session: DenseSession

    @classmethod
    def of(cls, graph: bytes) -> Decoder:
        """Of an exported network. Raises KizuError where it is damaged."""
        # One thread: pictures are looked at side by side, and the numbers do not depend on the number of cores.
        return cls(DenseSession(graph, "the decoder", threads=1))

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> Decoder | None:
        """The inverse of :attr:`arrays`; None where there is none among them."""
        return cls.of(arrays[_ARRAY].tobytes()) if _ARRAY in arrays else None

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """For the model file."""
        return {_ARRAY: np.frombuffer(self.session.graph, np.uint8)}

    @property
    def classes(self) -> int:
        """Number of classes C."""
        return self.session.classes

    def odds(self, image: np.ndarray) -> np.ndarray:
        """Log odds float32 (C, h, w) of an image uint8 (H, W, 3) on the grid of cells of the filter bank."""
        said = self.session.whole(image, plan(image.shape[:2], COARSE)).classes
        shape = tuple(-(-side // STRIDE) for side in image.shape[:2])
        times = COARSE // STRIDE
        out = np.empty((len(said), *shape), np.float32)
        for k, layer in enumerate(said):
            odds = log_odds(layer).astype(np.float32)
            whole = cv2.resize(odds, (odds.shape[1] * times, odds.shape[0] * times), interpolation=cv2.INTER_LINEAR)
            out[k] = whole[: shape[0], : shape[1]]
        return out
