"""``Prior``: where, how large, how many, which way and how close the things of a labelled data set lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError
from kizu.core.instances import Instances
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.formats.common.things import with_masks
from kizu.synth.compose.habit import Habit, draw
from kizu.synth.elongation import elongations, orientations

VERSION = 1
_SHARES = 10  # bins of the overlap, as a share of the smaller one
_MOST_SETS = 1000
_LONG = 1.5  # below this elongation nobody can tell a direction

PartOf = Callable[[Sample], np.ndarray | tuple[float, float, float, float] | None]


@dataclass
class Prior:
    """What was learned of the layout of a data set; its size does not grow with the data set.

    Attributes:
        images: labelled pictures that were seen. empty: those with nothing on them.
        habits: of each class that was seen, by name.
        sets: (class, ...) -> pictures that hold these classes and no other, names in order; a thousand sets at most.
        pairs: (class, other) -> pairs of things in one picture, names in order.
        overlaps: (class, other) -> float64 (10,), of these pairs those that overlap, by tenths of the smaller one.
    """

    images: int = 0
    empty: int = 0
    habits: dict[str, Habit] = field(default_factory=dict)
    sets: dict[tuple[str, ...], int] = field(default_factory=dict)
    pairs: dict[tuple[str, str], int] = field(default_factory=dict)
    overlaps: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)

    @classmethod
    def learn(cls, dataset: Dataset, part_of: PartOf | None = None, skips: Skips | None = None) -> Prior:
        """One pass over the labels; pixels are not read unless ``part_of`` does.

        Args:
            part_of: gives the part of a picture, or a region of interest in it: a mask bool (H, W), a box XYXY, or None
                for all of the picture. Places and sizes are told relative to its box; things whose middle lies
                outside of it do not count.
            skips: notes the samples that cannot be read; by default they are passed over without a note.

        Raises:
            DataError: a sample that cannot be read, where ``skips`` is strict.
        """
        out, skips = cls(), skips or Skips()
        for k in range(len(dataset)):
            with skips.item(f"sample {k}"):
                sample = dataset[k]
                if sample.labelled:
                    out._see(sample, dataset.names, part_of)
        return out

    def _see(self, sample: Sample, names: tuple[str, ...], part_of: PartOf | None) -> None:
        found, part = sample.instances, None if part_of is None else part_of(sample)
        box, inside = _region(part, sample.size, sample.id)
        middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
        chosen = np.flatnonzero(inside(middles)) if len(found) else np.zeros(0, int)
        self.images += 1
        if not len(chosen):
            self.empty += 1
            return
        found, middles = found[chosen], middles[chosen]
        sides = np.array([box[2] - box[0], box[3] - box[1]])
        places = (middles - box[:2]) / sides
        areas = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(1)
        turns, masked = np.full(len(found), np.nan), with_masks(found)
        if masked.any():
            areas = np.where(masked, found.masks.area, areas)
            masked &= (found.masks.area > 0) & (elongations(found) >= _LONG)
            turns[masked] = orientations(found.masks[masked])
        own = [names[label] for label in found.labels]
        there = sorted(set(own))
        for name in there:
            of = np.array([other == name for other in own])
            habit = self.habits.setdefault(name, Habit())
            habit.see(places[of], np.sqrt(areas[of] / sides.prod()), turns[of])
        if tuple(there) in self.sets or len(self.sets) < _MOST_SETS:
            self.sets[tuple(there)] = self.sets.get(tuple(there), 0) + 1
        self._see_pairs(own, found)

    def _see_pairs(self, own: list[str], found: Instances) -> None:
        shares = _shares(found)
        for i in range(len(own)):
            for j in range(i):
                key = (min(own[i], own[j]), max(own[i], own[j]))
                self.pairs[key] = self.pairs.get(key, 0) + 1
                if shares[i, j] > 0:
                    counts = self.overlaps.setdefault(key, np.zeros(_SHARES))
                    counts[min(int(shares[i, j] * _SHARES), _SHARES - 1)] += 1

    # --- drawing --------------------------------------------------------------------------------------------------

    def classes(self, random: np.random.Generator, among: list[str]) -> list[str]:
        """The classes of the things of one picture, as many as there are wont to be; none where none was seen.

        Args:
            among: names that may come; others are left out of the picture.
        """
        seen = sorted(self.sets.items())  # in an order that does not depend on the data's
        sets = [[name for name in names if name in among] for names, _ in seen]
        counts = np.array([count if names else 0 for names, (_, count) in zip(sets, seen, strict=True)])
        if not counts.any():
            return []
        chosen = sets[draw(counts, random)]
        return [name for name in chosen for _ in range(1 + draw(self.habits[name].number, random))]

    def overlap(self, one: str, other: str, random: np.random.Generator) -> float:
        """Share of the smaller of two things that may overlap, as often and as far as such pairs do; 0 = none."""
        key = (min(one, other), max(one, other))
        counts = self.overlaps.get(key)
        if counts is None or random.random() >= counts.sum() / self.pairs[key]:
            return 0.0
        return (draw(counts, random) + random.random()) / _SHARES

    # --- keeping --------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """As plain lists and tables."""

        def rows(table: dict, value: Callable) -> list:
            return [[*key, value(entry)] for key, entry in sorted(table.items())]

        return {
            "kizu_prior": VERSION,
            "images": self.images,
            "empty": self.empty,
            "habits": {name: habit.to_json() for name, habit in sorted(self.habits.items())},
            "sets": [[list(names), count] for names, count in sorted(self.sets.items())],
            "pairs": rows(self.pairs, int),
            "overlaps": rows(self.overlaps, lambda counts: counts.tolist()),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Prior:
        """The inverse of :meth:`to_json`. Raises DataError for a record that is none, or of another version."""
        try:
            if record["kizu_prior"] != VERSION:
                raise DataError(f"a prior of version {record['kizu_prior']}, not {VERSION}; learn it again")
            out = cls(
                int(record["images"]),
                int(record["empty"]),
                {str(name): Habit.from_json(habit) for name, habit in record["habits"].items()},
                {tuple(names): int(count) for names, count in record["sets"]},
                {(a, b): int(count) for a, b, count in record["pairs"]},
                {(a, b): np.array(counts, float).reshape(_SHARES) for a, b, counts in record["overlaps"]},
            )
            if {name for names in out.sets for name in names} - set(out.habits) or set(out.overlaps) - set(out.pairs):
                raise ValueError("classes that nothing is known of")
            return out
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"not a prior of kizu compose ({error!r}); learn it again") from error


def _region(part: Any, size: tuple[int, int], id: str) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """The box XYXY of a part, and whether points (N, 2) lie on it."""
    if part is None:
        part = (0, 0, size[1], size[0])
    part = np.asarray(part)
    if part.ndim == 1:
        box = part.astype(float)
        if box.shape != (4,) or not (box[:2] < box[2:]).all():
            raise DataError(f"{id}: {part.tolist()} is no region; give a box XYXY or a mask of the picture's size")
        return box, lambda points: ((points >= box[:2]) & (points <= box[2:])).all(1)
    if part.shape != tuple(size) or not part.any():
        raise DataError(f"{id}: the part is {part.shape} with {np.count_nonzero(part)} pixels, the picture {size}")
    rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))

    def on_part(points: np.ndarray) -> np.ndarray:
        at = np.clip(np.floor(points).astype(int), 0, [size[1] - 1, size[0] - 1])
        return part[at[:, 1], at[:, 0]].astype(bool)

    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float), on_part


def _shares(found: Instances) -> np.ndarray:
    """Overlap of each pair, as a share of the smaller one, float64 (N, N): of whole masks, else of boxes."""
    masks = found.amodal if found.amodal is not None else found.masks
    if masks is not None:
        shared, areas = masks.intersection(masks), masks.area
    else:
        low = np.maximum(found.boxes[:, None, :2], found.boxes[None, :, :2])
        high = np.minimum(found.boxes[:, None, 2:], found.boxes[None, :, 2:])
        shared = np.maximum(high - low, 0).prod(2)
        areas = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(1)
    return shared / np.maximum(np.minimum(areas[:, None], areas[None, :]), 1)
