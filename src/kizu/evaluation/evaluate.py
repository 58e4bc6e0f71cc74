"""``evaluate``: everything that Kizu measures, in one pass over the images."""

from __future__ import annotations

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.run import progress
from kizu.evaluation.anomaly import ImageScores, PixelScores
from kizu.evaluation.coco import CocoAP
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
) -> Evaluation:
    """Measure predictions against truth.

    Images are matched by id, classes by name; the classes of the predictions are evaluated. Segmentation, false alarms
    and escapes count instances with a score of at least 0.5; AP and the curves count candidates below it, too.

    Args:
        predictions: may hold more images than the truth.
        truth: the images to evaluate on.
        boxes: also COCO AP of boxes and masks.
        keep_support: also evaluate on the images that the model was fitted from, as its card tells.
        partial: leave images without prediction out instead of raising.
        resamples: of the bootstrap behind the 95 % intervals; 0 = no bootstrap.
        seed: of the bootstrap.

    Raises:
        KizuError: no common class, no common image, or (unless ``partial``) an image without prediction.
        DataError: sizes of an image differ, scores outside of 0..1, or an id that stands twice.
    """
    if resamples < 0:
        raise KizuError(f"resamples is {resamples}; pass 0 (no intervals) or more, e.g. 1000")
    matching = Matching(predictions, truth, keep_support, partial)
    names = predictions.names
    segmentation, pixel_scores, image_scores = Segmentation(names), PixelScores(names), ImageScores(names)
    coco = [CocoAP(names, kind) for kind in ("box", "mask")] if boxes else []
    result = Evaluation(names, dict.fromkeys(("images", "defective", "clean", "other_only"), 0))
    counts = result.counts
    counts |= dict.fromkeys(("truth_instances", "predicted_instances", "crowd_regions", "boxes_only", "unlabelled"), 0)
    records = []
    with progress("evaluate", len(matching)) as step:
        for pair in matching:
            if not pair.labelled:
                counts["unlabelled"] += 1
                step()
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
            step()
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
    result.notes = _notes(matching, counts, pixel_scores, image_scores, resamples)
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


def _notes(
    matching: Matching, counts: dict[str, int], pixels: PixelScores, images: ImageScores, resamples: int
) -> list[str]:
    names, known = matching.names, matching.truth.names
    absent = [name for name in names if name not in known]
    ignored = [name for name in known if name not in names]
    notes = []

    def note(count: int, text: str) -> None:
        if count:
            notes.append(text)

    note(
        counts["left_out"],
        f"{counts['left_out']} images that the model was fitted from are left out (--keep-support keeps them)",
    )
    note(counts["unlabelled"], f"{counts['unlabelled']} images of the truth have no label file and are left out")
    note(counts["unpredicted"], f"{counts['unpredicted']} images of the truth have no prediction and are left out")
    note(counts["surplus"], f"{counts['surplus']} predicted images have no truth here and are left out")
    note(len(absent), f"the truth has no class {', '.join(absent)}: its predictions are false alarms wherever they are")
    note(len(ignored), f"classes that the predictions do not have are not evaluated: {', '.join(ignored)}")
    note(
        counts["other_only"],
        f"{counts['other_only']} images hold only classes that are not evaluated: left out of the image figures, "
        "background in the pixel figures",
    )
    note(
        counts["boxes_only"], f"{counts['boxes_only']} images whose truth has boxes alone are left out of pixel figures"
    )
    note(
        counts["crowd_regions"],
        f"{counts['crowd_regions']} truth regions marked as crowd are ignored by AP and by the pixel figures",
    )
    note(
        pixels.painted,
        f"{pixels.painted} of {pixels.images} images have no score map: the pixel figures use the scores of their "
        "instances, painted into the masks",
    )
    by = "groups of images (near-duplicates stay together)" if images.grouped else "images"
    note(resamples, f"intervals are 95 %: bootstrap over {by}, {resamples} resamples; Wilson's for rates")
    return notes
