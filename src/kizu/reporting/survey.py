"""One pass over a data set without truth to compare with: what fired, or what is labelled, and how large it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.reporting.tiles import in_force


@dataclass
class Survey:
    """Counts of a whole data set; nothing in it grows with the size of the pictures.

    Attributes:
        scored: whether these are predictions.
        images: one record an image, in order: index, id, outcome (``found`` or ``nothing``, ``labelled``, ``clean`` or
            ``unlabelled``, ``unreadable``), score, labels (classes on it).
        sizes: class -> square root of each instance's area, in pixels.
        on_images: class -> number of images that hold it.
    """

    scored: bool
    images: list[dict[str, Any]] = field(default_factory=list)
    sizes: list[list[float]] = field(default_factory=list)
    on_images: list[int] = field(default_factory=list)

    def count(self, outcome: str) -> int:
        """Images of one outcome."""
        return sum(record["outcome"] == outcome for record in self.images)

    @property
    def instances(self) -> int:
        """Number of instances (of predictions: at or above the threshold)."""
        return sum(len(values) for values in self.sizes)


def survey(dataset: Dataset, skips: Skips) -> Survey:
    """Read every sample's instances once; broken ones are noted in ``skips`` and get the outcome ``unreadable``."""
    scored = "card" in dataset.info
    out = Survey(scored, [], [[] for _ in dataset.names], [0] * len(dataset.names))
    for i in range(len(dataset)):
        record = {"index": i, "id": f"image {i}", "outcome": "unreadable", "score": None, "labels": []}
        with skips.item(record["id"]):
            sample = dataset[i]
            record["id"] = sample.id
            with skips.item(sample.id):
                _take(sample, record, out)
        out.images.append(record)
    words = {"some": "found", "none": "nothing"} if out.scored else {"some": "labelled", "none": "clean"}
    for record in out.images:
        record["outcome"] = words.get(record["outcome"], record["outcome"])
    return out


def _take(sample: Sample, record: dict[str, Any], out: Survey) -> None:
    """Enter one sample into ``record`` and the counts of ``out``. Raises DataError where it is broken."""
    found = sample.instances
    out.scored = out.scored or found.scores is not None
    if out.scored:
        record["score"] = _score(sample)
    kept = in_force(found)
    areas = kept.masks.area if kept.masks is not None else (kept.boxes[:, 2:] - kept.boxes[:, :2]).prod(axis=1)
    if len(kept) and kept.labels.max() >= len(out.sizes):
        raise DataError(f"{sample.id}: label {kept.labels.max()}, but there are {len(out.sizes)} classes")
    for label, area in zip(kept.labels, areas, strict=True):
        out.sizes[label].append(float(np.sqrt(max(area, 1))))
    record["labels"] = [int(label) for label in np.unique(kept.labels)]
    for label in record["labels"]:
        out.on_images[label] += 1
    record["outcome"] = "some" if len(kept) else "none" if sample.labelled or out.scored else "unlabelled"


def _score(sample: Sample) -> float:
    """The score of a predicted image, as the evaluation takes it: the peak of the score map, else the best instance."""
    if sample.score_map is not None:
        peak = float(sample.score_map.max(initial=0))
        if np.isfinite(peak):
            return peak
    scores = sample.instances.scores
    return 0.0 if scores is None else float(scores.max(initial=0))
