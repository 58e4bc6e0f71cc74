"""Which pictures are left out together, and what stands for a class whose only picture would be left out.

Such a class is parted: what is fitted to one half of its pixels is judged on the other half. A copy of the picture,
turned and rescaled, would be known by heart: thresholds chosen on it are far too strict. It stands in only for what is
too small to be parted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np

from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.fewshot.cells import mostly

_MOST_FOLDS = 5


@dataclass(frozen=True)
class Parting:
    """A support parted into folds.

    Attributes:
        of_labelled, of_clean: the fold of each labelled and of each good picture.
        count: of folds.
        lost: for each fold the classes that its pictures alone show.
        shown: for each labelled picture those of them that are on it.
    """

    of_labelled: list[int]
    of_clean: list[int]
    count: int
    lost: list[set[int]]
    shown: list[set[int]]

    @classmethod
    def of(cls, labelled: list[Sample], clean: list[Sample], classes: int, most: int = _MOST_FOLDS) -> Parting:
        """Part into ``most`` folds at most, see :func:`folds`."""
        own, good, count = folds(labelled, clean, most)
        lost = [lost_classes(labelled, [i for i, f in enumerate(own) if f == fold], classes) for fold in range(count)]
        labels = [set(sample.instances.labels.tolist()) for sample in labelled]
        return cls(own, good, count, lost, [lost[f] & mine for f, mine in zip(own, labels, strict=True)])

    def held(self, fold: int) -> list[int]:
        """The labelled pictures of a fold."""
        return [i for i, own in enumerate(self.of_labelled) if own == fold]


def folds(labelled: list[Sample], clean: list[Sample], most: int = _MOST_FOLDS) -> tuple[list[int], list[int], int]:
    """The fold of each labelled and of each good picture, and the number of folds, ``most`` or fewer.

    Near-duplicates (one ``group``), labelled or good, and labelled pictures of the same pixels share a fold, so that
    none is judged by a scorer that has seen its twin. There are two folds at least, so that good pictures are left out
    even beside a single labelled one.
    """
    groups: dict[str, int] = {}
    keys = [groups.setdefault(name, len(groups)) for name in _twins(labelled, clean)]
    count = min(max(len(set(keys[: len(labelled)])), 2), most)
    fold = [key % count for key in keys]
    return fold[: len(labelled)], fold[len(labelled) :], count


def _twins(labelled: list[Sample], clean: list[Sample]) -> list[str]:
    """A name for each picture, the same for those that belong together."""
    names = [sample.group or f"\0{i}" for i, sample in enumerate([*labelled, *clean])]
    first: dict[str, int] = {}
    for i, sample in enumerate(labelled):
        one, other = names[first.setdefault(pixels_of(sample.image), i)], names[i]
        if one != other:
            names = [one if name == other else name for name in names]
    return names


def pixels_of(image: np.ndarray) -> str:
    """SHA-256 of the pixels of a picture."""
    return hashlib.sha256(image.tobytes()).hexdigest()


def lost_classes(labelled: list[Sample], held: list[int], classes: int) -> set[int]:
    """Classes that only held-out pictures show: without them a scorer cannot know these."""
    shown = [set(sample.instances.labels.tolist()) - {classes} for sample in labelled]
    rest = set().union(*(shown[i] for i in range(len(labelled)) if i not in held))
    return set().union(*(shown[i] for i in held)) - rest


def truth_of(sample: Sample, classes: int) -> np.ndarray:
    """bool (classes + 1, H, W): the pixels of each class, those of all other classes in the last layer."""
    merged = np.minimum(sample.instances.labels, classes)
    return np.stack([sample.instances.masks[merged == k].union() for k in range(classes + 1)])


def halves(truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A mask bool (H, W) as two of the same number of pixels (to one), parted across the direction it is longest in."""
    places = np.argwhere(truth)
    out = np.zeros(truth.shape, bool), np.zeros(truth.shape, bool)
    if len(places):
        off = places - places.mean(0)
        along = off @ np.linalg.eigh(off.T @ off)[1][:, -1]
        order = np.argsort(along, kind="stable")
        for part, mine in zip(out, (order[: (len(order) + 1) // 2], order[(len(order) + 1) // 2 :]), strict=True):
            part[tuple(places[mine].T)] = True
    return out


def one_half(truth: np.ndarray, lost: set[int], which: int) -> np.ndarray:
    """The truth of :func:`truth_of` with the first (0) or the second (1) half of each class of ``lost``.

    The other halves are among the pixels of the last layer, by which nobody is judged.
    """
    out = truth.copy()
    for k in lost:
        parts = halves(truth[k])
        out[k] = parts[which]
        out[-1] |= parts[1 - which]
    return out


def parted(truth: np.ndarray, lost: set[int]) -> Instances:
    """The classes of a picture as instances, those of ``lost`` in halves.

    Args:
        truth: of :func:`truth_of`, bool (K + 1, H, W).
        lost: classes to part.

    Returns:
        labels k of class k, or of its first half, K + k of its second half, and 2 K of all other classes.
    """
    classes = len(truth) - 1
    masks = dict(enumerate(truth[:-1])) | {2 * classes: truth[-1]}
    for k in lost:
        masks[k], masks[classes + k] = halves(truth[k])
    shown = {label: mask for label, mask in masks.items() if mask.any()}
    if not shown:
        return Instances.empty(truth.shape[1:])
    return Instances(list(shown), masks=Masks.from_dense(np.stack(list(shown.values())), truth.shape[1:]))


def changed_copy(image: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The picture and its truth (K, H, W) turned by 90 degrees and at 0.8 times the size."""
    size = (max(round(image.shape[0] * 0.8), 1), max(round(image.shape[1] * 0.8), 1))
    small = cv2.resize(np.ascontiguousarray(np.rot90(image)), size, interpolation=cv2.INTER_AREA)
    layers = [np.ascontiguousarray(np.rot90(layer)).astype(np.float32) for layer in truth]
    layers = [cv2.resize(layer, size, interpolation=cv2.INTER_AREA) for layer in layers]
    return small, np.stack([mostly(layer) for layer in layers])
