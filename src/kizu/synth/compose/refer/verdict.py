"""``Verdict``: of each instance whether something is so, is not so, or is too close to tell (Kleene's three values).

A set of instances is a whole number, bit i for instance i, so that a thousand descriptions are tried in a millisecond.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Verdict(NamedTuple):
    """``yes``: those of which it is so; ``maybe``: these, and those that are too close to tell."""

    yes: int
    maybe: int

    @property
    def clear(self) -> bool:
        """None is too close to tell."""
        return self.yes == self.maybe


NOBODY = Verdict(0, 0)


def both(one: Verdict, two: Verdict) -> Verdict:
    """Where both are so."""
    return Verdict(one[0] & two[0], one[1] & two[1])


def pack(yes: np.ndarray, maybe: np.ndarray) -> list[Verdict]:
    """A verdict a row of two bool arrays (K, N); what is so may be so."""
    return [Verdict(a, b) for a, b in zip(sets(yes), sets(yes | maybe), strict=True)]


def sets(rows: np.ndarray) -> list[int]:
    """A set a row of a bool array (K, N)."""
    packed = np.packbits(rows, axis=1, bitorder="little")
    data, wide = packed.tobytes(), packed.shape[1]
    return [int.from_bytes(data[k * wide : (k + 1) * wide], "little") for k in range(len(packed))]


@lru_cache(4096)
def members(chosen: int) -> tuple[int, ...]:
    """Indices of a set, ascending."""
    out = []
    while chosen:
        low = chosen & -chosen
        out.append(low.bit_length() - 1)
        chosen ^= low
    return tuple(out)
