"""``Canvas``: the visible-ratio rule while things are put down one after the other."""

from __future__ import annotations

import numpy as np

from kizu.core.jit import jit
from kizu.synth.compose.visibility import Piece


class Canvas:
    """Who owns each pixel of a frame so far, and how much each thing shows."""

    def __init__(self, size: tuple[int, int], most: int):
        """
        Args:
            size: (H, W).
            most: number of things that may come.
        """
        self._owner = np.zeros(size, np.int32)
        self._visible = np.zeros(most)
        self._amodal = np.zeros(most)
        self._count = 0

    def ratios_with(self, piece: Piece) -> tuple[np.ndarray, np.ndarray]:
        """Visible ratios v_i = visible / amodal pixels of all things, were one more on top; and pixels they lose.

        The new one is the last; it is visible whole.
        """
        taken = _taken(self._owner, piece.mask, piece.x, piece.y, self._count)
        n = self._count
        return np.append((self._visible[:n] - taken) / np.maximum(self._amodal[:n], 1), 1.0), taken

    def add(self, piece: Piece, taken: np.ndarray) -> None:
        """Put a thing on top; ``taken`` is what :meth:`ratios_with` said."""
        n = self._count
        self._visible[:n] -= taken
        self._visible[n] = self._amodal[n] = np.count_nonzero(piece.mask)
        _put(self._owner, piece.mask, piece.x, piece.y, n + 1)
        self._count += 1


@jit
def _taken(owner: np.ndarray, mask: np.ndarray, x: int, y: int, count: int) -> np.ndarray:
    out = np.zeros(count + 1, np.int64)
    for i in range(mask.shape[0]):
        row, here = owner[y + i][x : x + mask.shape[1]], mask[i]
        # Counted by stretches of one owner: one counter that goes up at each pixel would wait for itself.
        now, stretch = np.int32(0), 0
        for j in range(len(row)):
            if row[j] != now:
                out[now] += stretch
                now, stretch = row[j], 0
            stretch += here[j]
        out[now] += stretch
    return out[1:]


@jit
def _put(owner: np.ndarray, mask: np.ndarray, x: int, y: int, value: int) -> None:
    value = np.int32(value)
    for i in range(mask.shape[0]):
        row, here = owner[y + i][x : x + mask.shape[1]], mask[i]
        for j in range(len(row)):
            row[j] = value if here[j] else row[j]
