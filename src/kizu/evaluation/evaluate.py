"""``evaluate``: everything that Kizu measures, in one pass over the images."""

from __future__ import annotations

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.run import Skips, progress
from kizu.evaluation.anomaly import ImageScores, PixelScores
from kizu.evaluation.coco import CocoAP
from kizu.evaluation.notes import cut_scores, notes_of, plural
from kizu.evaluation.pairs import Matching, Pair
from kizu.evaluation.pixels import Pixels
from kizu.evaluation.result import Evaluation
from kizu.evaluation.segmentation import Segmentation


def evaluate(
    predictions: Dataset,
    truth: Dataset,
    *,
    boxes: bool = True,
    keep_support: bool = False,
    partial: bool = False,
    resamples: int = 1000,
    seed: int = 0,
    skips: Skips | None = None,
) -> Evaluation:
    """Measure predictions against truth.

    Images are matched by id, classes by name; the classes of the predictions are evaluated. Where those have a class
    ``unknown`` and the truth has none, it is the truth's other classes (``kizu fit --unknown``). Segmentation, false
    alarms and escapes count instances with a score of at least 0.5; AP and the curves count candidates below it, too.
    An image whose truth or prediction is broken is left out, counted (``broken``) and noted.

    Args:
        predictions: may hold more images than the truth.
        truth: the images to evaluate on.
        boxes: also COCO AP of boxes and masks.
        keep_support: also evaluate on the images that the model was fitted from, as its card tells.
        partial: leave images without prediction out instead of raising.
        resamples: of the bootstrap behind the 95 % intervals; 0 = no bootstrap.
        seed: of the bootstrap.
        skips: takes the broken images; a strict one stops at the first. None = they are passed over.

    Raises:
        KizuError: no common class, no common image, or (unless ``partial``) an image without prediction; or no
            image that can be used.
        DataError: an id stands twice; or, with strict ``skips``, an image cannot be read, its sizes differ, or a label
            or a score is out of range.
    """
    if resamples < 0:
        raise KizuError(f"resamples is {resamples}; pass 0 (no intervals) or more, e.g. 1000")
    skips = Skips() if skips is None else skips
    before = len(skips.items)
    matching = Matching(predictions, truth, keep_support, partial)
    names = predictions.names
    segmentation, pixel_scores, image_scores = Segmentation(names), PixelScores(names), ImageScores(names)
    coco = [CocoAP(names, kind) for kind in ("box", "mask")] if boxes else []
    result = Evaluation(names, dict.fromkeys(("images", "defective", "clean", "other_only"), 0))
    counts = result.counts
    counts |= dict.fromkeys(("truth_instances", "predicted_instances", "crowd_regions", "boxes_only", "unlabelled"), 0)
    records = []
    with progress("evaluate", len(matching)) as step:
        for place, index, id in matching.order:
            step()
            pair = None
            with skips.item(id):
                pair = matching.pair(place, index)
            if pair is None:
                continue
            if not pair.labelled:
                counts["unlabelled"] += 1
                continue
            score, outcome = image_scores.add(pair)
            iou = None
            if len(pair.truth) and pair.truth.masks is None:
                counts["boxes_only"] += 1
                segmentation.skipped += 1
                pixel_scores.skipped += 1
            else:
                pixels = Pixels(pair, len(names))
                iou = segmentation.add(pair, pixels)
                pixel_scores.add(pair, pixels)
            for item in coco:
                item.add(pair)
            records.append((pair.index, _record(pair, names, score, iou, outcome)))
            _count(counts, pair, outcome)
    counts["broken"] = len(skips.items) - before
    if not records and counts["broken"]:
        raise KizuError(
            f"nothing can be measured: {counts['broken']:,} of {plural(len(matching), 'image')} cannot be used, the "
            f"first: {skips.items[before]['reason']}"
        )
    if not records:
        raise KizuError(
            "no image of the truth is labelled, so nothing can be measured; label some, or name another set"
        )
    result.images = [record for _, record in sorted(records, key=lambda item: item[0])]
    counts |= {"left_out": matching.left_out, "unpredicted": matching.unpredicted, "surplus": matching.surplus}
    result.figures += segmentation.figures(resamples, seed) + pixel_scores.figures()
    result.figures += image_scores.figures(resamples, seed)
    for item in coco:
        result.figures += item.figures()
    result.curves = {"pr": pixel_scores.curves(), "threshold": image_scores.curve()}
    result.notes = notes_of(matching, counts, skips, pixel_scores, image_scores, resamples)
    result.notes += cut_scores(predictions.info.get("scores kept from")) if boxes else []
    result.notes += [note for item in coco for note in item.notes]
    return result


def _record(pair: Pair, names: tuple[str, ...], score: float, iou: float | None, outcome: str) -> dict:
    fired = pair.predicted.labels[pair.fired]
    return {
        "id": pair.id,
        "truth": len(pair.truth),
        "predicted": len(fired),
        "score": round(score, 6),
        "iou": None if iou is None else round(iou, 6),
        "outcome": outcome,
        "truth_by_class": _by_class(pair.truth.labels, names),
        "predicted_by_class": _by_class(fired, names),
        "others": pair.others,
    }


def _by_class(labels: np.ndarray, names: tuple[str, ...]) -> dict[str, int]:
    """Number of each class that is there."""
    return {names[k]: int(n) for k, n in enumerate(np.bincount(labels, minlength=len(names))) if n}


def _count(counts: dict[str, int], pair: Pair, outcome: str) -> None:
    counts["images"] += 1
    kind = {"hit": "defective", "escape": "defective", "other": "other_only"}.get(outcome, "clean")
    counts[kind] += 1
    counts["truth_instances"] += len(pair.truth)
    counts["predicted_instances"] += int(pair.fired.sum())
    counts["crowd_regions"] += int(pair.crowd.sum())
