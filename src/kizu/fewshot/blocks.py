"""A picture as blocks of cells, whitened and plain, held so that what is new about them is known at once."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from kizu.core.jit import jit
from kizu.fewshot.cells import mostly
from kizu.fewshot.features import STRIDE
from kizu.fewshot.linear import each_against_all
from kizu.fewshot.matching import PARTS, SCALE, three_largest, unit
from kizu.fewshot.members import Members
from kizu.fewshot.plain import SCALE as PLAIN_SCALE
from kizu.fewshot.views import views

_ROWS = 2048  # at a time
_NEAREST = 3
_BANKS = (*(f"match.{part}" for part in PARTS), "plain")
_SCALES = (*(SCALE for _ in PARTS), PLAIN_SCALE)


@jit
def _insert(similar, top):  # pragma: no cover (compiled)
    """Put similarities (N, M) where they belong among the largest so far, ``top`` (N, 3), largest first."""
    for i in range(similar.shape[0]):
        a, b, c = three_largest(similar[i], 0, similar.shape[1], top[i, 0], top[i, 1], top[i, 2])
        top[i, 0], top[i, 1], top[i, 2] = a, b, c


class Blocks:
    """The blocks of one picture, and what those say of them that match, and the logistic regression on whitened ones.

    Attributes:
        shape: (rows, columns) of blocks.
        side: pixels of the side of a block.
    """

    def __init__(self, image: np.ndarray, members: Members, step: int):
        """
        Args:
            image: uint8 (H, W, 3) RGB.
            step: cells of the side of a block.
        """
        self._cells = tuple(-(-length // STRIDE) for length in image.shape[:2])
        self.shape = tuple(-(-length // step) for length in self._cells)
        self.side = step * STRIDE
        self._step, self._classes = step, members.matching.classes
        self._arrays = arrays = members.matching.arrays | members.plain.arrays
        self._units = _units(image, members, step, self.shape)
        size = (len(self._units[0]), self._classes + 1, _NEAREST)
        self._top = [np.full(size, -2, np.float32) for _ in _BANKS]
        for part, name in enumerate(_BANKS):
            bank, ends = arrays[f"{name}.bank"], arrays[f"{name}.ends"]
            for k, rows in enumerate(np.split(bank, ends[:-1])):
                self._match(part, k, rows)
        self._first = [top.copy() for top in self._top]
        self._banked = self._counts()
        self._linear = self._times(arrays["match.weight"]) + arrays["match.bias"]
        self._before = self._said(self._linear)

    def covered(self, mask: np.ndarray, most: int) -> list[np.ndarray]:
        """Blocks that a mask bool (H, W) covers most, ``most`` at most: float32 (n, D) of unit length, whitened ones of
        each of :data:`kizu.fewshot.matching.PARTS`, and plain ones."""
        rows, columns = (length * self.side for length in self.shape)
        padded = np.pad(mask, ((0, rows - mask.shape[0]), (0, columns - mask.shape[1])))
        share = padded.reshape(self.shape[0], self.side, self.shape[1], self.side).mean((1, 3)).ravel()
        places = np.flatnonzero(mostly(share))
        if len(places) > most:
            places = places[np.linspace(0, len(places) - 1, most).astype(int)]
        return [values[places].astype(np.float32) for values in self._units]

    def learn(self, label: int, cells: Sequence[np.ndarray]) -> None:
        """Have blocks of :meth:`covered`, of any picture, join the banks of a class; 0 = ground."""
        for part, rows in enumerate(cells):
            self._match(part, label, rows)
            self._banked[part] = self._banked[part] + (np.arange(len(self._banked[part])) == label) * len(rows)

    def forget(self) -> None:
        """Have nothing learned."""
        self._top, self._banked = [top.copy() for top in self._first], self._counts()

    def change(self, weight: np.ndarray) -> np.ndarray:
        """How much more the three members say of each class than before anything was learned.

        Args:
            weight: float32 (D + D', C + 1), by how much that of the logistic regression has changed.

        Returns:
            float32 (3, C, h, w) on the grid of cells: the logistic regression, matching, plain matching.
        """
        said = self._said(self._linear + self._times(weight)) - self._before
        layers = said.transpose(1, 2, 0).reshape(-1, *self.shape)
        whole = (self.shape[1] * self._step, self.shape[0] * self._step)
        fine = [cv2.resize(layer, whole, interpolation=cv2.INTER_LINEAR) for layer in layers]
        return np.stack(fine)[:, : self._cells[0], : self._cells[1]].reshape(len(said[0]), -1, *self._cells)

    def _counts(self) -> list[np.ndarray]:
        """Members of each bank, by part and class, before anything was learned."""
        return [np.diff(self._arrays[f"{name}.ends"], prepend=0) for name in _BANKS]

    def _match(self, part: int, label: int, rows: np.ndarray) -> None:
        units = self._units[part]
        for i in range(0, len(units) if len(rows) else 0, _ROWS):
            place = slice(i, i + _ROWS)
            _insert(units[place].astype(np.float32) @ rows.T, self._top[part][place, label])

    def _times(self, weight: np.ndarray) -> np.ndarray:
        wide = self._units[0].shape[1]
        first, second = weight[:wide], weight[wide:]
        return self._units[0].astype(np.float32) @ first + self._units[1].astype(np.float32) @ second

    def _said(self, linear: np.ndarray) -> np.ndarray:
        """As :meth:`kizu.fewshot.matching.Matching.score` and that of what is plain, float32 (N, 3, C)."""
        like = []
        for top, counts, scale in zip(self._top, self._banked, _SCALES, strict=True):
            near = np.stack([top[:, k, :count].mean(1) if (count := min(n, _NEAREST)) else np.full(len(top), -1.0)
                             for k, n in enumerate(counts)], axis=1)  # fmt: skip
            like.append(scale * (near[:, 1:] - near[:, :1]))
        *whitened, plain = like
        return np.stack([each_against_all(linear), sum(whitened), plain], axis=1).astype(np.float32)


def _units(image: np.ndarray, members: Members, step: int, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Blocks float16 (N, D) of unit length by part, row by row, the plain ones last."""
    out: list[np.ndarray] = []
    for tile, features, maps in views(image, members.network):
        first, _, _, *parts = members.blocks(tile, features, maps, step)
        parts.append(members.plain_blocks(maps, step, first, parts[0].shape[:2]))
        place = tuple(
            slice(s.start // step, s.start // step + n) for s, n in zip(tile.cells, parts[0].shape, strict=False)
        )
        for part, values in enumerate(parts):
            if len(out) == part:
                out.append(np.zeros((*shape, values.shape[2]), np.float16))
            out[part][place] = unit(values)
    return [values.reshape(-1, values.shape[-1]) for values in out]
