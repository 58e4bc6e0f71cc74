"""``Members``: all that has a say about the cells of a picture, and their maps."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import repeat

import cv2
import numpy as np

from kizu.core.errors import KizuError
from kizu.fewshot.decoder import Decoder
from kizu.fewshot.features import STRIDE, describe
from kizu.fewshot.matching import Matching
from kizu.fewshot.mix import MEMBERS
from kizu.fewshot.network import Network, at, shipped
from kizu.fewshot.scorer import Scorer
from kizu.inspection.tiling import Tile

FILTERS, WHITENED = [0, 1, 2], [3, 4]  # places of the members
_FINE = 640 * 640  # pixels; on larger pictures every eighth pixel is matched, on smaller ones every fourth


@dataclass(frozen=True)
class Members:
    """What was fitted to labelled cells: a scorer of three members, two on whitened cells of filters and a network, and
    maybe a decoder."""

    scorer: Scorer
    matching: Matching
    decoder: Decoder | None = None
    network: Network = field(default_factory=shipped)

    def __post_init__(self):
        """Raises KizuError where they are not of the same features and classes."""
        classes = {part.classes for part in (self.scorer, self.matching, self.decoder) if part}
        if (self.scorer.channels, self.network.width) != self.matching.channels or len(classes) > 1:
            raise KizuError(
                "its scorer, its matching, its network and its decoder are of different features or classes"
            )

    @classmethod
    def fit(
        cls,
        rows: np.ndarray,
        seen: np.ndarray,
        labels: np.ndarray,
        weights: np.ndarray,
        classes: int,
        trees: int,
        seed: int,
        network: Network | None = None,
    ) -> Members:
        """Fit to labelled cells; arguments as those of :class:`Scorer` and :class:`Matching`.

        Args:
            network: what ``seen`` is of; None = the shipped one.
        """
        scorer = Scorer.fit(rows, labels, weights, classes, trees, seed)
        return cls(scorer, Matching.fit(rows, seen, labels, weights, classes, seed), network=network or shipped())

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by name, for the model file."""
        parts = self.scorer.arrays | self.matching.arrays | (self.decoder.arrays if self.decoder else {})
        return parts | self.network.state()[0]

    @property
    def count(self) -> int:
        """Number of members M."""
        return MEMBERS + (self.decoder is not None)

    def maps(self, image: np.ndarray, asked: Collection[int] | None = None) -> np.ndarray:
        """Log odds by member and class on the grid of cells.

        Args:
            image: uint8 (H, W, 3) RGB.
            asked: the members that matter, None = all; others may say 0 instead, which saves their time.

        Returns:
            float32 (M, C, h, w).
        """
        asked = range(self.count) if asked is None else asked
        cells = self._fitted(image, asked)
        if self.decoder is None:
            return cells
        return np.concatenate(
            [cells, (self.decoder.odds(image) if MEMBERS in asked else np.zeros_like(cells[0]))[None]]
        )

    def _fitted(self, image: np.ndarray, asked: Collection[int]) -> np.ndarray:
        """The maps of all members but the decoder."""
        height, width = image.shape[:2]
        classes = self.scorer.classes
        cells = np.zeros((MEMBERS, classes, -(-height // STRIDE), -(-width // STRIDE)), np.float32)
        filters, whitened = (any(m in asked for m in group) for group in (FILTERS, WHITENED))
        if not filters and not whitened:
            return cells
        step = 2 if height * width <= _FINE else 4
        views = self.network.look(image) if whitened else repeat((None, None))
        for (tile, features), (_, maps) in zip(describe(image), views, strict=whitened):
            if filters:
                core = tile.core(features)
                odds = self.scorer.score(core.reshape(-1, core.shape[-1])).transpose(1, 2, 0)
                cells[(FILTERS, slice(None), *tile.cells)] = odds.reshape(-1, classes, *core.shape[:2])
            if whitened:
                cells[(WHITENED, slice(None), *tile.cells)] = self._matched(tile, features, maps, step)
        return cells

    def _matched(self, tile: Tile, features: np.ndarray, maps: list[np.ndarray], step: int) -> np.ndarray:
        """The maps float32 (2, C, h, w) of a tile's own cells by whitened blocks of ``step`` x ``step`` cells."""
        height, width, count = features.shape
        whole = np.pad(features, ((0, -height % step), (0, -width % step), (0, 0)), mode="edge")
        shape = whole.shape[0] // step, whole.shape[1] // step
        rows = whole.reshape(shape[0], step, shape[1], step, count).mean((1, 3)).reshape(-1, count)
        middle = (step - 1) / 2  # of a block, in cells
        y, x = (step * np.indices(shape).reshape(2, -1)) + middle
        odds = self.matching.score(rows, at(maps, y, x, self.network.strides)).transpose(1, 2, 0).reshape(-1, *shape)
        fine = [cv2.resize(layer, whole.shape[1::-1], interpolation=cv2.INTER_LINEAR) for layer in odds]
        core = np.stack([tile.core(layer) for layer in fine])
        return core.reshape(2, -1, *core.shape[1:])
