"""In which order samples are seen: another one each epoch, and still quick to read from shards."""

from __future__ import annotations

import numpy as np

from kizu.core.seeds import Stream, generator

BLOCK = 32  # neighbours in a file, which are read at once: the rows of a group of a shard
SPREAD = 4  # blocks whose samples are mixed


class Order:
    """The numbers of ``count`` samples in a line without end, in which each epoch holds each of them once.

    Blocks of neighbours come in a random order, and the samples of four blocks in a row are mixed. A batch then reads
    four groups of rows instead of one for each of its samples.
    """

    def __init__(self, count: int, seed: int, shuffle: bool = True):
        """
        Args:
            shuffle: False: 0, 1, 2 ... over and over, where samples are made rather than read.
        """
        self.count, self.seed, self.shuffle = count, seed, shuffle
        self._epoch: tuple[int, np.ndarray] = (-1, np.zeros(0, np.int64))

    def __getitem__(self, place: int) -> int:
        """The number of the sample at a place in the line, from 0 on."""
        epoch, within = divmod(place, self.count)
        if not self.shuffle:
            return within
        if self._epoch[0] != epoch:
            self._epoch = epoch, self._permutation(epoch)
        return int(self._epoch[1][within])

    def batch(self, step: int, size: int, rank: int = 0, world: int = 1) -> list[tuple[int, int]]:
        """``(place, number)`` of the samples of one process in one step, by number, as they are best read."""
        first = (step * world + rank) * size
        return sorted(((place, self[place]) for place in range(first, first + size)), key=lambda item: item[::-1])

    def _permutation(self, epoch: int) -> np.ndarray:
        random = generator(self.seed, Stream.ORDER, epoch)
        blocks = random.permutation(-(-self.count // BLOCK))
        line = (blocks[:, None] * BLOCK + np.arange(BLOCK)).ravel()
        line = line[line < self.count]
        mixed = np.arange(len(line)) // (SPREAD * BLOCK) + random.random(len(line))
        return line[np.argsort(mixed, kind="stable")]
