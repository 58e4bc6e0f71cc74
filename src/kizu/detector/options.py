"""What ``kizu fit --mode detector`` asks for: from options to a fitted detector, and the table of its figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError, optional
from kizu.core.run import Skips, progress
from kizu.detector.pictures import Pictures, choose_pictures
from kizu.detector.settings import Settings, settings_for
from kizu.detector.start import NONE, weights_for
from kizu.inspection.calibrate import class_share
from kizu.models.registry import Entry, entry, names

if TYPE_CHECKING:
    from kizu.detector.fit import Detected

COMPOSED = 0.5  # share of the training pictures that are composed, where that is asked for
RUN = ".run"  # the folder of a run is called as the model file and this


@dataclass(frozen=True)
class Wanted:
    """Options of a fit of a detector; None = as it suits the data."""

    model: str = "kizu-dense"
    backbone: str = "kizu-s"
    weights: str | None = None
    val: str | None = None
    minutes: float | None = None
    epochs: int | None = None
    size: int | None = None
    turns: bool = True
    resume: bool = False
    composed: float = 0.0


def fit_from(
    dataset: Path,
    out: Path,
    wanted: Wanted,
    *,
    classes: list[str] | None,
    split: str | None,
    clean: Path | None,
    empty_is_clean: bool,
    false_alarms: float,
    seed: int,
    skips: Skips,
) -> tuple[Detected | None, Pictures, Settings]:
    """Fit a detector to a data set and write its model file; see :func:`kizu.detector.fit.fit_detector`.

    Returns:
        what came of it (None in all processes but the first), the pictures, and the settings in force.

    Raises:
        KizuError: options, pictures or weights that cannot be used.
    """
    item, backbone = _entry(wanted.model, "detector"), _entry(wanted.backbone, "backbone")
    if out.is_dir():
        raise KizuError(f"cannot write {out}: this is a folder; name a file")
    class_share(false_alarms, 1)  # refused before the pictures are read, as are missing libraries
    for library in ("torch", "accelerate"):
        optional(library, "train")
    weights, start = weights_for(wanted.weights, backbone.name)
    data = Dataset.open(dataset)
    with progress("looking at the pictures", len(data)) as step:
        pictures = choose_pictures(
            data, val=wanted.val, split=split, classes=classes, clean=None if clean is None else Dataset.open(clean),
            empty_is_clean=empty_is_clean, masks=item.masks, model=item.name, false_alarms=false_alarms, seed=seed,
            skips=skips, step=step,
        )  # fmt: skip
    if wanted.composed and not pictures.masks:
        raise KizuError("--augment compose cuts out what is labelled, and some labels are boxes without masks")
    settings = settings_for(
        pictures.train, model=item.name, backbone=backbone.name, weights=start, size=wanted.size, epochs=wanted.epochs,
        minutes=wanted.minutes, turns=wanted.turns, seed=seed, composed=wanted.composed,
    )  # fmt: skip
    tell(pictures, settings)
    from kizu.detector.fit import close, fit_detector

    folder = Path(f"{out}{RUN}")
    done = fit_detector(
        pictures, settings, weights, folder, false_alarms=false_alarms, resume=wanted.resume, skips=skips
    )
    if done is not None:
        done.inspector.save(out)
        close(folder, done.inspector.card.figures)
        show(done, pictures)
    return done, pictures, settings


def _entry(name: str, kind: str) -> Entry:
    item = entry(name)
    if item.kind != kind:
        raise KizuError(f"{item.name} is a {item.kind}, not a {kind}; {kind}s: {', '.join(names(kind))}")
    return item


def tell(pictures: Pictures, settings: Settings) -> None:
    """Say on the terminal what begins."""
    from rich.console import Console

    start = "from scratch (no weights)" if settings.weights == NONE else f"from the weights {settings.weights}"
    budget = [f"{settings.epochs} epochs"] if settings.epochs else []
    budget += [f"{settings.minutes:g} minutes"] if settings.minutes else []
    Console(stderr=True, highlight=False).print(
        f"training {settings.model} on {settings.backbone}, {start}; {len(pictures.train)} pictures to train on, "
        f"{len(pictures.val)} to validate; windows of {settings.size} px, {settings.batch} a step, at most "
        f"{' or '.join(budget)}",
        soft_wrap=True,
    )


def show(done: Detected, pictures: Pictures) -> None:
    """Print the figures of the validation pictures, and what to think of them."""
    from rich.console import Console
    from rich.table import Table

    masks = any("mask AP" in figures for figures in done.inspector.card.figures.values())
    table = Table(
        title="On the validation pictures (training stopped and thresholds were chosen on them: expect a little worse)",
        title_justify="left",
        min_width=60,
    )
    table.add_column("class")
    titles = ("training pictures", "validation pictures", "mask AP" if masks else "box AP")
    for title in (*titles, "outline IoU" if masks else "F1 score", "escapes", "false alarms"):
        table.add_column(title, justify="right")
    for k, (name, item) in enumerate(zip(pictures.names, done.expected, strict=True)):
        shown = [str(int((part.counts[:, k] > 0).sum())) for part in (pictures.train, pictures.val)]
        alarms = "unknown" if item.false_alarms is None else f"{item.false_alarms:.1%} of {item.clean}"
        # Of N finds and instances, right ones over all is J, and the F1 score 2 J / (1 + J).
        fit = item.iou if masks or item.iou is None else 2 * item.iou / (1 + item.iou)
        table.add_row(name, *shown, *(_percent(v) for v in (done.precision.get(name), fit, item.escapes)), alarms)
    overall: list[Any] = [item.iou for item in done.expected if item.iou is not None]
    if masks and len(pictures.names) > 1:
        mean = _percent(sum(overall) / len(overall))
        table.add_row("mean", "", "", _percent(done.precision[""]), mean, "", "", style="bold")
    console = Console(stderr=True)
    console.print(table)
    for note in done.inspector.card.notes:
        console.print(f"- {note}")


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"
