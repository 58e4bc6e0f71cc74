"""Figures of finds on validation pictures: average precision, by the code that evaluates predictions."""

from __future__ import annotations

from kizu.core.dataset import Dataset
from kizu.core.instances import Instances
from kizu.core.sample import Sample
from kizu.detector.pictures import Part
from kizu.evaluation.coco import coco_figures


def average_precision(val: Part, finds: list[Instances], masks: bool) -> dict[str, float | None]:
    """COCO AP (IoU 0.50:0.95) of masks or boxes, of all classes ("") and of each; None where val does not show it.

    Args:
        finds: of each picture of ``val``, with scores.
    """
    truth, found = [], []
    for i, (sample, predicted) in enumerate(zip(val, finds, strict=True)):
        # Numbers in place of ids: pictures of several folders may have the same name.
        truth.append(Sample(str(i), size=sample.size, instances=sample.instances))
        found.append(Sample(str(i), size=sample.size, instances=predicted))
    figures = coco_figures(Dataset(truth, val.names), Dataset(found, val.names), "mask" if masks else "box")
    return {figure.class_name: figure.value for figure in figures if figure.name == "AP"}
