"""``kizu report``: look at a data set or at results."""

from __future__ import annotations

from pathlib import Path

from kizu.core.run import Done


def report(
    dataset: Path,
    *,
    truth: Path | None = None,
    split: str | None = None,
    out: Path | None = None,
    images: int = 200,
    title: str | None = None,
    keep_support: bool = False,
    partial: bool = False,
) -> Done:
    """Write one HTML file that shows predictions with their figures, predictions alone, or a labelled data set.

    Everything is inside the file: it opens in any browser without a network and goes by mail.

    Args:
        dataset: predictions, or a labelled data set.
        truth: the labels to measure the predictions against; without them the report says what fired.
        split: look at this split only (train, val, test); with a truth, by default the one that was predicted.
        out: the file to write; report.html inside the data set's folder by default.
        images: the most pictures to show; the figures cover all.
        title: the heading of the report.
        keep_support: count the pictures that the model was fitted from, too.
        partial: leave pictures of the truth that have no prediction out, instead of refusing.
    """
    from kizu.core.dataset import Dataset
    from kizu.core.errors import KizuError
    from kizu.core.files import write_bytes
    from kizu.core.run import Skips
    from kizu.evaluation.notes import plural
    from kizu.reporting import build

    dataset, out = Path(dataset), None if out is None else Path(out)
    predictions = Dataset.open(dataset)
    labels = evaluation = None
    skips = Skips()
    if truth is not None:
        from kizu.evaluation.evaluate import evaluate

        labels = Dataset.open(truth).split(split or predictions.info.get("split"))
        evaluation = evaluate(predictions, labels, keep_support=keep_support, partial=partial, skips=skips)
    else:
        predictions = predictions.split(split)
    if out is None:
        out = (dataset if dataset.is_dir() else dataset.parent) / "report.html"
    elif out.is_dir():
        raise KizuError(f"{out} is a folder; name the file to write, e.g. {out / 'report.html'}")
    name = dataset.resolve().name if dataset.is_dir() else dataset.stem
    page = build(predictions, labels, evaluation, images=images, title=title or f"Inspection report: {name}")
    data = page.html.encode("utf-8")
    write_bytes(out, data)
    shown = plural(page.total, "image") + ("" if page.shown == page.total else f" ({page.shown:,} shown)")
    line = f"report of {shown} written to {out} ({size_text(len(data))}); open it in any browser."
    return Done(line, out, skips.items + page.skipped)  # broken images were not measured and so have no tile


def size_text(count: int) -> str:
    """Bytes as a person reads them: ``214 kB``, ``2.1 MB``."""
    return f"{count / 1e6:.1f} MB" if count >= 999_500 else f"{max(count / 1e3, 0.1):.3g} kB"
