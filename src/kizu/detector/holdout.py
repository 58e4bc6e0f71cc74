"""A fifth of the training pictures held out by group, where a data set brings no split to validate on."""

from __future__ import annotations

import numpy as np

from kizu.core.seeds import Stream, generator

SHARE = 0.2


def hold_out(counts: np.ndarray, good: np.ndarray, groups: list[str], seed: int, share: float = SHARE) -> np.ndarray:
    """The pictures to hold out, bool (N,).

    Near-duplicates (one ``group``, "" = on its own) stay together. The rarest class has the first choice; a class gives
    ``share`` of its pictures, at least one, but never all, so that one that a single group shows is trained and not
    judged. Good pictures give their share last.

    Args:
        counts: int (N, C), instances of each class on each picture.
        good: bool (N,), pictures that hold nothing.
        seed: draws the groups.
    """
    keys: dict[str, int] = {}
    of = np.array([keys.setdefault(group or f"\0{i}", len(keys)) for i, group in enumerate(groups)], np.int64)
    kinds = np.concatenate([counts > 0, good[:, None]], axis=1)
    shown = np.zeros((len(keys), kinds.shape[1]), np.int64)  # pictures of each kind in each group
    np.add.at(shown, of, kinds.astype(np.int64))
    total = shown.sum(0)
    order = generator(seed, Stream.CALIBRATION).permutation(len(keys))
    held = np.zeros(len(keys), bool)
    rarest = sorted(range(kinds.shape[1] - 1), key=lambda k: (total[k], k))
    for kind in [*rarest, kinds.shape[1] - 1]:
        wanted = max(round(share * total[kind]), 1)
        for group in order:
            if held[group] or not shown[group, kind]:
                continue
            now = shown[held].sum(0)
            if now[kind] >= wanted:
                break
            after = now + shown[group]
            # What is left must still show every class; a large group may overshoot, but not by more than it helps.
            if (after[:-1][shown[group, :-1] > 0] >= total[:-1][shown[group, :-1] > 0]).any():
                continue
            if after[kind] - wanted > wanted - now[kind] and now[kind]:
                continue
            held[group] = True
    return held[of]
