"""Regions from Kizu's own network, pre-trained to outline whatever lies on a surface: what FastSAM is to GFDS.

Of the classes that the network has learned only "any of them" is asked: the largest of their probabilities.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kizu.core.errors import KizuError
from kizu.core.masks import Masks
from kizu.fewshot.regions.source import Source
from kizu.inspection.tiling import plan
from kizu.models.dense_decode import DenseMaps, decode
from kizu.models.dense_targets import STRIDE
from kizu.models.session import DenseSession

_LEVEL = 0.3  # probability that outlines a region


class Segmenter(Source):
    """See the module; runs on ONNX Runtime, from the model file alone.

    Attributes:
        session: runs the network.
        level: probability of any class that outlines a region.
    """

    name = "segmenter"
    about = "regions of a network that Kizu pre-trained on masks, joined by the overlap rules of GFDS"

    def __init__(self, session: DenseSession, level: float = _LEVEL):
        self.session, self.level = session, level

    @classmethod
    def of(cls, path: Path) -> Segmenter:
        """From a weight file of ``kizu pretrain masks``; needs torch, which the model file then does not.

        Raises:
            KizuError: a missing extra, or weights without a head that outlines things.
        """
        return cls(DenseSession(exported(path), str(path), threads=1))

    def masks(self, image: np.ndarray, margins: np.ndarray, found: np.ndarray) -> list[Masks]:
        """See :class:`Source`. Only the tiles on which something was found are looked at."""
        somewhere = found.any(0)
        tiles = [tile for tile in plan(image.shape[:2], STRIDE) if somewhere[tile.pixels].any()]
        said = self.session.whole(image, tiles)
        any_class = DenseMaps(said.classes.max(0)[None], said.boundary, said.offset)
        return [decode(any_class, image.shape[:2], self.level).instances().masks] * len(margins)

    def state(self) -> tuple[dict, dict]:
        """See :class:`Source`."""
        return self.session.state(), {"level": self.level}

    @classmethod
    def from_state(cls, arrays: dict, settings: dict) -> Segmenter:
        """See :class:`Source`."""
        return cls(DenseSession(arrays["network"].tobytes(), "its segmenter", threads=1), float(settings["level"]))


def exported(path: Path) -> bytes:
    """The dense detector of a weight file as an ONNX model; see :meth:`Segmenter.of`."""
    from kizu.core.errors import optional
    from kizu.models.registry import build_backbone, build_detector
    from kizu.models.store import load_weights

    optional("torch", "train")
    weights = load_weights(path)
    last = weights.arrays.get("head.out.weight")
    if last is None or not weights.part("pyramid") or len(last) <= 3:
        raise KizuError(
            f"{weights.source}: these weights have no head that outlines things (those that come with Kizu have none); "
            "take the weights.safetensors of a run of kizu pretrain masks"
        )
    from kizu.models.nets.export import export_dense

    body = build_backbone(weights.architecture)
    weights.into(body)
    net = build_detector("kizu-dense", len(last) - 3, body, 0, width=last.shape[1])
    weights.into(net.pyramid, "pyramid")
    weights.into(net.head, "head")
    return export_dense(net.eval())
