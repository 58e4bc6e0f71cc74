"""``kizu evaluate``: predictions against truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kizu.core.run import Done

if TYPE_CHECKING:
    from kizu.evaluation.result import Evaluation


@dataclass
class Evaluated(Done):
    """The result of :func:`evaluate`; ``evaluation`` holds all figures, curves and one record an image."""

    evaluation: Evaluation | None = None


def evaluate(
    predictions: Path,
    truth: Path,
    *,
    split: str | None = None,
    out: Path | None = None,
    keep_support: bool = False,
    partial: bool = False,
    resamples: int = 1000,
    seed: int = 0,
    strict: bool = False,
) -> Evaluated:
    """Measure predictions against truth: segmentation, false alarms and escapes, anomaly figures, COCO AP.

    Images are matched by their path below the image folder, classes by name; what a model calls unknown are the classes
    that it does not have. Prints a table and writes
    evaluation.json and figures.csv.

    Args:
        predictions: Data set that kizu predict made, or any other with scores; it may hold more images.
        truth: Labelled data set of any format.
        split: Only the images of this split of the truth; by default the split that the predictions were made on.
        out: Folder for the files; by default that of the predictions.
        keep_support: Also evaluate on the images that the model was fitted from.
        partial: Leave images without prediction out instead of stopping.
        resamples: Bootstrap resamples behind the 95 % intervals; 0 for none.
        seed: Seed of the bootstrap.
        strict: Stop at the first image that cannot be used, instead of listing it in evaluation-skipped.jsonl.
    """
    from kizu.core.dataset import Dataset
    from kizu.core.run import Skips
    from kizu.evaluation.evaluate import evaluate as measure
    from kizu.evaluation.table import print_table, write_figures

    predictions, truth = Path(predictions), Path(truth)
    found = Dataset.open(predictions)
    right = Dataset.open(truth).split(split or found.info.get("split"))
    folder = Path(out) if out is not None else predictions if predictions.is_dir() else predictions.parent
    skips = Skips(strict)
    result = measure(
        found, right, keep_support=keep_support, partial=partial, resamples=resamples, seed=seed, skips=skips
    )
    result.notes += [
        f"{name}: {note}" for name, side in (("predictions", found), ("truth", right)) for note in side.notes
    ]
    print_table(result)
    write_figures(result, folder, skips.items)
    return Evaluated(_line(result, folder), folder, skips.items, evaluation=result)


def _line(result: Evaluation, folder: Path) -> str:
    from kizu.evaluation.notes import plural

    parts = []
    for title, group, name, digits in (
        ("mIoU", "segmentation", "mIoU", 1),
        ("false alarms", "image", "false-alarm rate", 1),
        ("escapes", "image", "escape rate", 0),
        ("box AP", "box AP", "AP", 1),
    ):
        figure = result.figure(group, name)
        if figure.value is not None:
            parts.append(f"{title} {100 * figure.value:.{digits}f} %")
    figures = ", ".join(parts) or "no figure could be had (see the reasons above)"
    return f"evaluated {plural(result.counts['images'], 'image')}: {figures}; written to {folder / 'evaluation.json'}"
