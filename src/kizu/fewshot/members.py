"""``Members``: all that has a say about the cells of a picture, and their maps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import partial

import cv2
import numpy as np

from kizu.core.errors import KizuError
from kizu.fewshot.coarse import suspects, to_grid
from kizu.fewshot.decoder import Decoder
from kizu.fewshot.features import STRIDE
from kizu.fewshot.matching import PARTS, Matching, unlike
from kizu.fewshot.mix import MEMBERS
from kizu.fewshot.network import Network, shipped
from kizu.fewshot.plain import Plain
from kizu.fewshot.scorer import Scorer
from kizu.fewshot.views import View, views
from kizu.inspection.tiling import Tile

FILTERS, WHITENED, PLAIN = [0, 1, 2], [3, 4], 5  # places of the members
_FINE = 640 * 640  # pixels; on larger pictures every eighth pixel is matched, on smaller ones every fourth


def step_of(size: tuple[int, int]) -> int:
    """Cells of the side of a block that is matched, in a picture of (height, width) pixels."""
    return 2 if size[0] * size[1] <= _FINE else 4


@dataclass(frozen=True)
class Members:
    """What was fitted to labelled cells: a scorer of three members, two on whitened cells of filters and a network, one
    on the network's as they are, and maybe a decoder."""

    scorer: Scorer
    matching: Matching
    plain: Plain
    decoder: Decoder | None = None
    network: Network = field(default_factory=shipped)

    def __post_init__(self):
        """Raises KizuError where they are not of the same features and classes."""
        classes = {part.classes for part in (self.scorer, self.matching, self.plain, self.decoder) if part}
        width = self.network.width
        if (self.scorer.channels, width) != self.matching.channels or self.plain.channels != width or len(classes) > 1:
            raise KizuError(
                "its scorer, its two matchings, its network and its decoder are of different features or classes"
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
        return cls(
            Scorer.fit(rows, labels, weights, classes, trees, seed),
            Matching.fit(rows, seen, labels, weights, classes, seed),
            Plain.fit(seen, labels, classes, seed),
            network=network or shipped(),
        )

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by name, for the model file."""
        parts = self.scorer.arrays | self.matching.arrays | self.plain.arrays
        return parts | (self.decoder.arrays if self.decoder else {}) | self.network.state()[0]

    @property
    def count(self) -> int:
        """Number of members M."""
        return MEMBERS + (self.decoder is not None)

    def maps(
        self, image: np.ndarray, asked: Collection[int] | None = None, seen: Iterable[View] | None = None
    ) -> np.ndarray:
        """Log odds by member and class on the grid of cells.

        Args:
            image: uint8 (H, W, 3) RGB.
            asked: the members that matter, None = all; others may say anything, which saves their time.
            seen: views of the image, where they are at hand.

        Returns:
            float32 (M, C, h, w).
        """
        return self._look(image, asked, seen, False)[0]

    def look(
        self, image: np.ndarray, asked: Collection[int] | None = None, seen: Iterable[View] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`maps`, and how unlike the ground each cell is, float32 (2, h, w), see
        :func:`kizu.fewshot.matching.unlike`."""
        return self._look(image, asked, seen, True)

    def _look(
        self, image: np.ndarray, asked: Collection[int] | None, seen: Iterable[View] | None, with_unlike: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        asked = range(self.count) if asked is None else asked
        height, width = image.shape[:2]
        cells = -(-height // STRIDE), -(-width // STRIDE)
        out = np.zeros((MEMBERS, self.scorer.classes, *cells), np.float32)
        away = np.zeros((len(PARTS), *cells), np.float32)
        scored, step = any(m in asked for m in range(MEMBERS)), step_of((height, width))
        if scored or with_unlike:
            for tile, features, maps in views(image, self.network) if seen is None else seen:
                # A block beyond the tile's own cells, so that nothing is interpolated from its own side alone.
                first, *parts = self.blocks(tile, features, maps, step, 2 * step)
                inner = tuple(slice(p.start - at, p.stop - at) for p, at in zip(tile.inner, first, strict=True))
                if scored:
                    plain = self.plain_blocks(maps, step, first, parts[1].shape[:2])
                    out[(slice(None), slice(None), *tile.cells)] = self._odds(*parts, plain, asked, step)[(..., *inner)]
                if with_unlike:
                    blocks = to_grid(unlike(*parts[2:]), step, 1, parts[0].shape[:2])
                    away[(slice(None), *tile.cells)] = blocks[inner].transpose(2, 0, 1)
        if self.decoder is not None:
            last = self.decoder.odds(image) if MEMBERS in asked else np.zeros_like(out[0])
            out = np.concatenate([out, last[None]])
        return out, away

    def _odds(
        self, whole: np.ndarray, means: np.ndarray, filters: np.ndarray, network: np.ndarray, plain: np.ndarray,
        asked: Collection[int], step: int,
    ) -> np.ndarray:  # fmt: skip
        """The maps float32 (M, C, h, w) of a tile, of its parts of :meth:`blocks` and its cells as :attr:`plain` has
        them.

        Blocks of ``step`` x ``step`` cells are matched, and four of them together looked at first, see
        :mod:`kizu.fewshot.coarse`.
        """
        block = 2 * step
        parts = [_padded(values, 2) for values in (means, filters, network, plain)]
        coarse, fine = (parts[0].shape[0] // 2, parts[0].shape[1] // 2), parts[0].shape[:2]
        halved = [_flat(cv2.resize(values, coarse[::-1], interpolation=cv2.INTER_AREA)) for values in parts]
        odds = [
            self.scorer.score(halved[0]),
            self.matching.score_projected(*halved[1:3], thinned=True),
            self.plain.score_projected(halved[3], thinned=True)[:, None],
        ]
        layers = [own.reshape(*coarse, -1) for own in odds]
        chosen = suspects(np.concatenate(odds, axis=1).mean(1).max(1).reshape(coarse))

        by_filters = to_grid(layers[0], block, 1, whole.shape[:2])
        if any(m in asked for m in FILTERS):
            again = np.repeat(np.repeat(chosen, block, 0), block, 1)[: whole.shape[0], : whole.shape[1]]
            rows = self.scorer.score(whole[again], asked)
            by_filters[again] = rows.reshape(len(rows), -1)
        whitened, plainly = (to_grid(layer, block, step, fine) for layer in layers[1:])
        again = np.repeat(np.repeat(chosen, 2, 0), 2, 1)
        if any(m in asked for m in WHITENED):
            rows = self.matching.score_projected(*(values[again] for values in parts[1:3]))
            whitened[again] = rows.reshape(len(rows), -1)
        if PLAIN in asked:
            plainly[again] = self.plain.score_projected(parts[3][again])
        matched = to_grid(np.concatenate([whitened, plainly], axis=2), step, 1, whole.shape[:2])
        out = np.concatenate([by_filters, matched], axis=2)
        return out.reshape(*out.shape[:2], MEMBERS, -1).transpose(2, 3, 0, 1)

    def blocks(
        self, tile: Tile, features: np.ndarray, maps: list[np.ndarray], step: int, margin: int = 0
    ) -> tuple[list[int], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """A tile by blocks of ``step`` x ``step`` cells.

        Args:
            tile, features, maps: a view.
            margin: cells around those that the tile answers for.

        Returns:
            where it begins among the tile's cells; its cells float32 (h, w, F), whole blocks of them; their means
            float32 (h / step, w / step, F); and these and what the network sees of them, projected, float32 (h / step,
            w / step, D).
        """
        first = [max(part.start - margin, 0) for part in tile.inner]
        last = [min(part.stop + margin, length) for part, length in zip(tile.inner, features.shape, strict=False)]
        whole = _padded(features[first[0] : last[0], first[1] : last[1]], step)
        grid = whole.shape[0] // step, whole.shape[1] // step
        means = cv2.resize(whole, grid[::-1], interpolation=cv2.INTER_AREA)
        filters = self.matching.projected("filters", _flat(means)).reshape(*grid, -1)
        return (
            first,
            whole,
            means,
            filters,
            self._seen(maps, step, first, grid, partial(self.matching.projected, PARTS[1])),
        )

    def plain_blocks(self, maps: list[np.ndarray], step: int, begin: list[int], shape: tuple[int, int]) -> np.ndarray:
        """Blocks of ``step`` cells, from cell ``begin`` on, as the network sees them and :attr:`plain` projects
        them: float32 (\\*shape, D)."""
        return self._seen(maps, step, begin, shape, self.plain.projected)

    def _seen(
        self, maps: list[np.ndarray], step: int, begin: list[int], shape: tuple[int, int],
        projected: Callable[[np.ndarray, int], np.ndarray],
    ) -> np.ndarray:  # fmt: skip
        """What the network sees of blocks of ``step`` cells, from cell ``begin`` on.

        Args:
            projected: cells (N, F) of some channels, and the place of the first of these, to (N, D).

        Returns:
            float32 (\\*shape, D).
        """
        first = [place // step for place in begin]
        wanted = first[0] + shape[0], first[1] + shape[1]
        out, channel = 0, 0
        for values, stride in zip(maps, self.network.strides, strict=True):
            flat = values.reshape(len(values), -1).T
            own = projected(flat, channel).reshape(*values.shape[1:], -1)
            out = out + to_grid(own, stride, step * STRIDE, wanted)[first[0] :, first[1] :]
            channel += len(values)
        return out


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, values.shape[-1])


def _padded(values: np.ndarray, multiple: int) -> np.ndarray:
    """A map (h, w, C) with its last row and column repeated up to a multiple."""
    odd = [-length % multiple for length in values.shape[:2]]
    return np.pad(values, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge") if any(odd) else values
