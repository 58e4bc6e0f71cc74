"""COCO average precision and recall of boxes and masks, computed by faster-coco-eval from data sets in memory.

Matching, area ranges (32 and 96 pixels squared, on the truth's ``area`` where its file gives one, else on the area of
its mask, else of its box), the 101 recall points and the crowd rule are those of pycocotools. At most 100 instances an
image and class count.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.instances import Instances
from kizu.evaluation.notes import plural
from kizu.evaluation.pairs import Matching, Pair
from kizu.evaluation.result import Figure

Kind = Literal["box", "mask"]
MAX_DETECTIONS = (1, 10, 100)
_AREAS = ("all", "small", "medium", "large")
# name, precision or recall, IoU threshold (None: mean of 0.50:0.05:0.95), area range, detections an image
_FIGURES = [
    ("AP", "precision", None, "all", 100),
    ("AP50", "precision", 0.5, "all", 100),
    ("AP75", "precision", 0.75, "all", 100),
    *((f"AP{size}", "precision", None, size, 100) for size in _AREAS[1:]),
    *((f"AR{count}", "recall", None, "all", count) for count in MAX_DETECTIONS),
    *((f"AR{size}", "recall", None, size, 100) for size in _AREAS[1:]),
]


class CocoAP:
    """Collects image after image (boxes or run-length codes only) and gives the figures at the end."""

    def __init__(self, names: tuple[str, ...], kind: Kind):
        self.names = names
        self.kind = kind
        self.notes: list[str] = []
        self._images: list[dict] = []
        self._truth: list[tuple] = []  # per image: number, labels, boxes, areas, crowd, codes
        self._predicted: list[tuple] = []  # the same with scores for crowd
        self._cut = 0
        self._maskless = {"truth": 0, "prediction": 0}

    def add(self, pair: Pair) -> None:
        """Take one image; for masks, one whose truth has boxes alone is left out."""
        truth, predicted = pair.truth, pair.predicted
        if self.kind == "mask":
            if len(truth) and truth.masks is None:
                self._maskless["truth"] += 1
                return
            if len(predicted) and predicted.masks is None:
                self._maskless["prediction"] += 1
                return
        number = pair.index + 1  # the order of the truth decides between equal scores
        self._images.append({"id": number, "height": pair.size[0], "width": pair.size[1]})
        for side, instances, values in (
            (self._truth, truth, pair.crowd),
            (self._predicted, predicted, predicted.scores),
        ):
            if len(instances) == 0:
                continue
            codes = instances.masks.codes() if self.kind == "mask" else None
            areas = _areas(instances, self.kind == "mask" or instances is truth)
            if instances is truth:
                areas = _given_areas(truth, areas)
            side.append((number, pair.size, instances.labels, instances.boxes, areas, values, codes))
        if len(predicted) > MAX_DETECTIONS[-1]:
            self._cut += int((np.bincount(predicted.labels) - MAX_DETECTIONS[-1]).clip(0).sum())

    def figures(self) -> list[Figure]:
        """All figures: over all classes (the mean of those that the truth holds), then of each class."""
        group = f"{self.kind} AP"
        names = ["", *self.names]
        if self._maskless["prediction"]:
            why = "the predictions have boxes without masks"
            return [Figure(group, figure[0], name, why=why) for name in names for figure in _FIGURES]
        if self._maskless["truth"] and not self._truth:
            why = "the truth has boxes without masks"
            return [Figure(group, figure[0], name, why=why) for name in names for figure in _FIGURES]
        if self._maskless["truth"]:
            self.notes.append(
                f"mask AP leaves out {plural(self._maskless['truth'], 'image')} whose truth has boxes without masks"
            )
        if self._cut:
            self.notes.append(
                f"{group} counts the 100 best instances of an image and class, as COCO does: {self._cut:,} cut"
            )
        present = np.zeros(len(self.names) + 1, bool)
        for _, _, labels, _, _, crowd, _ in self._truth:
            present[labels[~crowd] + 1] = True
        if not present.any():
            why = "no truth of these classes in these images"
            return [Figure(group, figure[0], name, why=why) for name in names for figure in _FIGURES]
        precision, recall, thresholds = self._evaluate()
        figures = []
        for label, name in enumerate(names):
            classes = slice(None) if label == 0 else slice(label - 1, label)
            for title, what, iou, area, count in _FIGURES:
                values = precision if what == "precision" else recall[:, None]
                values = values[:, :, classes, _AREAS.index(area), MAX_DETECTIONS.index(count)]
                if iou is not None:
                    values = values[np.isclose(thresholds, iou)]
                values = values[values > -1]  # -1 marks a class without truth of this size
                if len(values):
                    figures.append(Figure(group, title, name, float(values.mean())))
                else:
                    absent = label and not present[label]
                    why = "no truth of this class in these images" if absent else f"no truth of {area} size"
                    figures.append(Figure(group, title, name, why=why))
        return figures

    def _evaluate(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        from faster_coco_eval import COCO, COCOeval_faster

        categories = [{"id": i + 1, "name": name} for i, name in enumerate(self.names)]
        sides = []
        for records, values in ((self._truth, "iscrowd"), (self._predicted, "score")):
            annotations = list(_annotations(records, values))
            side = COCO()
            side.dataset = {"images": self._images, "categories": categories, "annotations": annotations}
            side.createIndex()
            sides.append(side)
        run = COCOeval_faster(*sides, iouType="segm" if self.kind == "mask" else "bbox", print_function=_silent)
        run.params.maxDets = list(MAX_DETECTIONS)
        run.evaluate()
        run.accumulate()
        return np.asarray(run.eval["precision"]), np.asarray(run.eval["recall"]), np.asarray(run.params.iouThrs)


def _areas(instances: Instances, by_mask: bool) -> np.ndarray:
    """Area of each instance in pixels, float64 (N,): of its mask if wanted and there, else of its box."""
    if by_mask and instances.masks is not None:
        return instances.masks.area.astype(np.float64)
    return np.prod(instances.boxes[:, 2:].astype(np.float64) - instances.boxes[:, :2], axis=1)


def _given_areas(truth: Instances, areas: np.ndarray) -> np.ndarray:
    """``areas``, but what the attribute ``area`` gives where that is a finite number."""
    areas = areas.copy()
    for i, value in enumerate(truth.attributes.get("area", ())):
        if isinstance(value, (int, float, np.integer, np.floating)) and np.isfinite(value):
            areas[i] = value
    return areas


def _annotations(records: list[tuple], field: str):
    """COCO annotations; their ids begin with 1, for 0 means "not matched" to COCO's code."""
    id = 0
    for number, size, labels, boxes, areas, values, codes in records:
        corners = boxes.astype(np.float64)
        boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).tolist()
        labels, areas, values = (labels + 1).tolist(), areas.tolist(), values.tolist()
        for i in range(len(labels)):
            id += 1
            record = {"id": id, "image_id": number, "category_id": labels[i], "bbox": boxes[i], "area": areas[i]}
            record |= {"iscrowd": 0, field: int(values[i]) if field == "iscrowd" else values[i]}
            if codes is not None:
                record["segmentation"] = {"size": list(size), "counts": codes[i].decode("ascii")}
            yield record


def _silent(*_) -> None:
    pass


def coco_figures(truth: Dataset, predictions: Dataset, kind: Kind = "box") -> list[Figure]:
    """COCO AP and AR of all images of ``truth``, over all classes of ``predictions`` and for each.

    Args:
        kind: ``box`` or ``mask``.

    Returns:
        AP, AP50, AP75, APsmall, APmedium, APlarge, AR1, AR10, AR100, ARsmall, ARmedium, ARlarge in 0..1.

    Raises:
        KizuError: an image of the truth has no prediction, or no class is common to both.
        DataError: image sizes differ.
    """
    collected = CocoAP(predictions.names, kind)
    for pair in Matching(predictions, truth, keep_support=True):
        collected.add(pair)
    return collected.figures()
