"""Truth and prediction of the same image, matched by id, their classes matched by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.inspector import UNKNOWN
from kizu.core.instances import Instances
from kizu.evaluation.support import Support

THRESHOLD = 0.5  # scores are scaled so that this is the threshold in force


@dataclass
class Pair:
    """One image.

    Attributes:
        index: its place in the truth.
        size: (height, width).
        truth: instances of the evaluated classes; labels count the classes of the predictions.
        crowd: bool (N,), truth instances that mark a region to be ignored, not one object.
        predicted: instances with scores (1 where the predictions have none), candidates below 0.5 included.
        others: truth instances of classes that are not evaluated.
        score_map: float32 (C, H, W), or None.
        labelled: False where nobody has labelled the image; then it is no truth.
    """

    index: int
    id: str
    group: str
    size: tuple[int, int]
    truth: Instances
    crowd: np.ndarray
    predicted: Instances
    others: int
    score_map: np.ndarray | None
    labelled: bool = True

    @property
    def fired(self) -> np.ndarray:
        """Predicted instances at or above the threshold, bool."""
        return self.predicted.scores >= THRESHOLD

    @property
    def clean(self) -> bool:
        """Nothing is wrong with this image: no instance of any class."""
        return len(self.truth) == 0 and self.others == 0


def is_crowd(instances: Instances) -> np.ndarray:
    """Instances whose attribute ``iscrowd`` or ``crowd`` is truthy, bool (N,)."""
    out = np.zeros(len(instances), bool)
    for name in ("iscrowd", "crowd"):
        if name in instances.attributes:
            out |= np.array([bool(v) and v == v for v in instances.attributes[name]], bool)
    return out


def class_map(names: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    """For each label of ``names``, its label in ``wanted``, or -1; see :func:`takes_others`.

    Raises:
        KizuError: the two have no class in common.
    """
    if takes_others(names, wanted):
        return np.array([wanted.index(name if name in wanted else UNKNOWN) for name in names], np.int64)
    if not set(names) & set(wanted):
        raise KizuError(
            f"no class in common: the predictions have {', '.join(wanted) or 'none'}, the truth "
            f"{', '.join(names) or 'none'}; classes are matched by name, so rename those of one side"
        )
    return np.array([wanted.index(name) if name in wanted else -1 for name in names], np.int64)


def takes_others(names: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Whether classes of the truth, ``names``, that the predictions do not have are their ``unknown``: that is what an
    inspector calls them that was not fitted to them (``kizu fit --unknown``). Not where the truth has such a class."""
    return UNKNOWN in wanted and UNKNOWN not in names


def _relabel(instances: Instances, mapping: np.ndarray, where: str) -> tuple[Instances, np.ndarray]:
    """Instances of mapped classes with their new labels, and which those are."""
    if len(instances) and instances.labels.max() >= len(mapping):
        raise DataError(f"{where}: label {instances.labels.max()}, but there are {len(mapping)} classes")
    labels = mapping[instances.labels]
    kept = labels >= 0
    if not kept.all():
        instances, labels = instances[kept], labels[kept]
    if not np.array_equal(labels, instances.labels):
        instances = instances.replace(labels=labels)
    return instances, kept


class Matching:
    """Which image of the truth belongs to which prediction; nothing but ids is read to find out.

    Attributes:
        names: the classes of the predictions.
        order: of each image to compare: its place in the predictions, its place in the truth, its id.
        left_out: images left out because the model was fitted from them.
        unpredicted: images of the truth without prediction.
        surplus: predictions without truth.
    """

    def __init__(
        self, predictions: Dataset, truth: Dataset, keep_support: bool = False, partial: bool = False
    ):  # fmt: skip
        """
        Raises:
            KizuError: nothing matches; or, unless ``partial``, an image of the truth has no prediction.
            DataError: an id stands twice.
        """
        self.predictions, self.truth = predictions, truth
        self.names = predictions.names
        self._classes = class_map(truth.names, predictions.names)
        places, wanted = _places(predictions, "the predictions"), _places(truth, "the truth")
        support = Support(predictions)
        fitted = set() if keep_support else {id for id, i in wanted.items() if support.holds(id, lambda i=i: truth[i])}
        self.left_out = len(fitted)
        asked = [id for id in wanted if id not in fitted]
        if not asked:
            raise KizuError(
                f"all {len(wanted)} images of the truth are those the model was fitted from; evaluate on other images, "
                "or pass --keep-support"
                if wanted
                else "the truth holds no image; check the path and the split"
            )
        missing = [id for id in asked if id not in places]
        if len(missing) == len(asked):
            raise KizuError(
                f"no image of the truth has a prediction: the truth has ids like {_few(asked)}, the predictions "
                f"{_few(list(places)) or 'none'}; images are matched by their path below the image folder"
            )
        if missing and not partial:
            raise KizuError(
                f"{len(missing)} of {len(asked)} images of the truth have no prediction: {_few(missing)}; predict "
                "them too, choose a split, or pass --partial to evaluate the others"
            )
        self.unpredicted = len(missing)
        self.surplus = sum(id not in wanted for id in places)
        # Predictions carry the heavy score maps, so they are read in their own order.
        self.order = sorted((places[id], wanted[id], id) for id in asked if id in places)

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Pair]:
        """All pairs. Raises DataError at the first that cannot be used; :meth:`pair` lets a caller go on."""
        for place, index, _ in self.order:
            yield self.pair(place, index)

    def pair(self, place: int, index: int) -> Pair:
        """The image at ``place`` of the predictions and at ``index`` of the truth, checked.

        Raises:
            DataError: either cannot be read, they are of different sizes, or a label, a score or a score map is wrong.
        """
        predicted, truth = self.predictions[place], self.truth[index]
        size = truth.size
        if predicted.size != size:
            raise DataError(
                f"{truth.id}: the prediction is of a {predicted.size[0]} x {predicted.size[1]} image, the truth of "
                f"{size[0]} x {size[1]} (height x width); predict the same images"
            )
        for side, instances in (("truth", truth.instances), ("prediction", predicted.instances)):
            if instances.masks is not None and instances.masks.size != size:
                raise DataError(f"{truth.id}: {side} masks of {instances.masks.size}, but the image is {size}")
        right, kept = _relabel(truth.instances, self._classes, f"truth of {truth.id}")
        found, _ = _relabel(predicted.instances, np.arange(len(self.names)), f"prediction of {truth.id}")
        if found.scores is None:
            found = found.replace(scores=np.ones(len(found)))
        if len(found) and (found.scores.min() < 0 or found.scores.max() > 1):
            raise DataError(
                f"{truth.id}: a predicted score of {found.scores.min():g} to {found.scores.max():g}; scores are from 0 "
                "to 1, with 0.5 at the threshold: scale them first"
            )
        score_map = predicted.score_map
        if score_map is not None and (score_map.shape[1:] != size or len(score_map) not in (1, len(self.names))):
            raise DataError(
                f"{truth.id}: a score map of shape {score_map.shape}; it is (classes, height, width) = "
                f"({len(self.names)}, {size[0]}, {size[1]})"
            )
        if score_map is not None and score_map.size:
            low, high = np.float16(score_map.min()), np.float16(score_map.max())  # as finely as the figures see them
            if not (low >= 0 and high <= 1):  # nor is NaN
                raise DataError(
                    f"{truth.id}: a score map of {low:g} to {high:g}; scores are numbers from 0 to 1, with 0.5 at the "
                    "threshold: scale them first"
                )
        return Pair(
            index, truth.id, truth.group, size, right, is_crowd(right), found, int((~kept).sum()), score_map,
            truth.labelled,
        )  # fmt: skip


def _places(dataset: Dataset, name: str) -> dict[str, int]:
    ids = dataset.ids
    places = {id: i for i, id in enumerate(ids)}
    if len(places) < len(ids):
        twice = next(id for i, id in enumerate(ids) if places[id] != i)
        raise DataError(f"{name}: the image id {twice!r} stands twice; an id is unique in a data set")
    return places


def _few(ids: list[str]) -> str:
    return ", ".join(ids[:3]) + (" ..." if len(ids) > 3 else "")
