"""``Gathered``: the labelled cells of all pictures of a support, and members fitted to all of them or to some."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from kizu.core.instances import Instances
from kizu.core.run import Skips, ahead
from kizu.core.sample import Sample
from kizu.core.seeds import Stream, generator
from kizu.fewshot.cells import balanced, gather
from kizu.fewshot.decoder import Decoder
from kizu.fewshot.holdout import Parting, parted, pixels_of, truth_of
from kizu.fewshot.members import Members
from kizu.fewshot.network import Network
from kizu.fewshot.support import Support
from kizu.fewshot.views import Kept

TREES = 20
WORKERS = os.cpu_count() or 1


@dataclass
class Cells:
    """Labelled cells of one picture; ``label`` 0 is background."""

    rows: np.ndarray  # of the filter bank
    seen: np.ndarray  # of the network
    labels: np.ndarray
    weights: np.ndarray

    def whole(self, classes: int) -> Cells:
        """With the halves of :func:`kizu.fewshot.holdout.parted` as one."""
        return replace(self, labels=np.where(self.labels > classes, self.labels - classes, self.labels))

    def half(self, classes: int, lost: set[int], which: int) -> Cells:
        """With one half, the first (0) or the second (1), of each class of ``lost``."""
        return self.without({k + (1 - which) * classes for k in lost}).whole(classes)

    def without(self, lost: set[int]) -> Cells:
        """Without the cells of classes."""
        kept = ~np.isin(self.labels, [k + 1 for k in lost])
        return Cells(*(values[kept] for values in (self.rows, self.seen, self.labels, self.weights)))

    def has_halves(self, classes: int, lost: set[int]) -> bool:
        """Whether each class of ``lost`` has cells in both halves."""
        return {k + 1 + half for k in lost for half in (0, classes)} <= set(self.labels.tolist())


class Gathered:
    """What was gathered of a support that is parted into folds.

    Attributes:
        support, parting, network: as they were given.
        classes: number of classes.
        truths: of each labelled picture, see :func:`kizu.fewshot.holdout.truth_of`.
        in_halves: cells of each labelled picture, with classes that only its fold shows in two halves, see
            :func:`kizu.fewshot.holdout.parted`.
        labelled: the same with whole classes.
        clean: the good pictures that could be read.
        clean_fold_of: the fold of each.
        clean_cells: the cells of each.
        composed: cells of each composed picture, and the groups (or ids) of the pictures in it.
        digests: SHA-256 of the pixels of each picture, by its identity.
    """

    def __init__(
        self,
        support: Support,
        parting: Parting,
        composed: Sequence[Sample],
        network: Network,
        seed: int,
        skips: Skips,
        step: Callable[[], None],
    ):
        """Arguments as those of :func:`kizu.fewshot.fit.fit_fewshot`; ``step`` is called after each picture.

        Raises:
            KizuError: a labelled picture cannot be read.
        """
        self.support, self.parting, self.network = support, parting, network
        self.classes, self._seed, self._step = len(support.names), seed, step
        self._kept = Kept(network)
        self.digests: dict[int, str] = {}
        self.truths = [truth_of(sample, self.classes) for sample in support.labelled]
        divided = (parted(truth, mine) for truth, mine in zip(self.truths, parting.shown, strict=True))
        futures = self._cells(support.labelled, divided, 2 * self.classes)
        self.in_halves = [future.result() for future in futures]
        self.labelled = [cells.whole(self.classes) for cells in self.in_halves]
        self.clean: list[Sample] = []
        self.clean_cells: list[Cells] = []
        self.clean_fold_of: list[int] = []
        empty = (Instances.empty(sample.size) for sample in support.clean)
        futures = self._cells(support.clean, empty, self.classes, len(support.labelled))
        for sample, fold, future in zip(support.clean, parting.of_clean, futures, strict=True):
            with skips.item(sample.id):
                self.clean_cells.append(future.result())
                self.clean.append(sample)
                self.clean_fold_of.append(fold)
        marked = (sample.instances for sample in composed)
        futures = self._cells(composed, marked, self.classes, len(support.labelled) + len(support.clean))
        self.composed = [
            (future.result(), set(sample.meta["lineage"])) for sample, future in zip(composed, futures, strict=True)
        ]

    def _cells(
        self, samples: Sequence[Sample], instances: Iterable[Instances], labels: int, first: int = 0
    ) -> Iterator[Future[Cells]]:
        """The cells of pictures, in order; ``first``: place of the first one among all."""

        def of(item: tuple[int, Sample, Instances]) -> Cells:
            place, sample, found = item
            random, image = generator(self._seed, Stream.SCORER, 16 + place), sample.image
            self.digests[id(sample)] = pixels_of(image)
            return Cells(*gather(image, found, labels, random, self.network, self._kept(id(sample), image)))

        for future in ahead(of, zip(count(first), samples, instances), WORKERS):
            yield future
            self._step()

    def clean_of(self, fold: int) -> list[Sample]:
        """The good pictures of a fold."""
        return [sample for sample, own in zip(self.clean, self.clean_fold_of, strict=True) if own == fold]

    def without(self, fold: int) -> list[Cells]:
        """The cells of all pictures that neither are in a fold nor were composed of such."""
        rest = [cells for cells, own in zip(self.labelled, self.parting.of_labelled, strict=True) if own != fold]
        rest += [cells for cells, own in zip(self.clean_cells, self.clean_fold_of, strict=True) if own != fold]
        held = [*(self.support.labelled[i] for i in self.parting.held(fold)), *self.clean_of(fold)]
        away = {sample.group or sample.id for sample in held}
        return rest + [cells for cells, lineage in self.composed if not lineage & away]

    def all(self) -> list[Cells]:
        """The cells of all pictures."""
        return self.labelled + self.clean_cells + [cells for cells, _ in self.composed]

    def members(self, parts: list[Cells], decoder: Decoder | None) -> Members:
        """Members fitted to cells."""
        rows, seen, labels, weights = joined(parts)
        weights = balanced(labels, weights)
        members = Members.fit(rows, seen, labels, weights, self.classes, TREES, self._seed, self.network)
        return replace(members, decoder=decoder)

    def maps(self, members: Members, sample: Sample, asked: set[int] | None = None) -> np.ndarray:
        """As :meth:`kizu.fewshot.members.Members.maps`, of a picture of the support."""
        return members.maps(sample.image, asked, self._kept(id(sample), sample.image))

    def look(self, members: Members, sample: Sample, asked: set[int]) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`kizu.fewshot.members.Members.look`, of a picture of the support."""
        return members.look(sample.image, asked, self._kept(id(sample), sample.image))


def joined(parts: list[Cells]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, seen, labels and weights of several pictures."""
    names = ("rows", "seen", "labels", "weights")
    return tuple(np.concatenate([getattr(part, name) for part in parts]) for name in names)
