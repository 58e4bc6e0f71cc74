"""``kizu fit``: from a data set with a few labels to an inspector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kizu.core.run import Done

if TYPE_CHECKING:
    from kizu.core.inspector import Inspector


@dataclass
class Fitted(Done):
    """The result of a fit: ``inspector`` is ready to use, ``expected`` says what to expect of it, by class."""

    inspector: Inspector | None = None
    expected: dict[str, dict] | None = None


def fit(
    dataset: Path,
    *,
    out: Path = Path("model.kizu"),
    mode: Literal["fewshot"] = "fewshot",
    classes: list[str] | None = None,
    shots: int | None = None,
    split: str | None = None,
    clean: Path | None = None,
    empty_is_clean: bool = True,
    false_alarms: float = 0.05,
    seed: int = 0,
    strict: bool = False,
) -> Fitted:
    """Fit an inspector to a data set with a few labelled pictures.

    Args:
        dataset: labelled pictures in any format that Kizu reads.
        out: the model file to write.
        mode: the family of inspector.
        classes: classes to find; by default all that are labelled.
        shots: labelled pictures a class; by default all, at most 20.
        split: take the pictures of this split only (train, val, test).
        clean: a folder of good pictures; by default the pictures of the data set that hold nothing.
        empty_is_clean: count pictures without any label as good ones where no folder of good ones is given.
        false_alarms: the share of good pictures on which the inspector may fire, e.g. 0.01.
        seed: draws the pictures where there are more than needed; the same seed gives the same model.
        strict: stop at the first picture that cannot be read instead of passing it over.

    Raises:
        KizuError: no labelled picture, an unknown class or split, or the model file cannot be written.
    """
    import time

    from kizu.core.dataset import Dataset
    from kizu.core.run import Skips, progress
    from kizu.fewshot.fit import fit_fewshot, steps
    from kizu.fewshot.support import choose_support

    began = time.perf_counter()
    skips = Skips(strict)
    data = Dataset.open(dataset).split(split)
    good = Dataset.open(clean) if clean is not None else (None if empty_is_clean else data[:0])
    support = choose_support(data, classes, shots, good, seed, skips, false_alarms)
    with progress("fitting", steps(support)) as step:
        inspector, expected = fit_fewshot(support, false_alarms, seed, skips, step)
    inspector.save(out)
    _show(support.names, expected, inspector.card.notes, support)
    line = (
        f"fitted {', '.join(support.names)} from {len(support.labelled)} labelled and {len(support.clean)} good "
        f"pictures in {time.perf_counter() - began:.1f} s; written to {out}. Next: kizu predict {out} PICTURES RESULTS"
    )
    return Fitted(line, Path(out), skips.items, 0, inspector, dict(inspector.card.figures))


def _show(names, expected, notes, support) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title="On pictures left out of the fit (the thresholds were chosen on them: expect a little worse)",
        title_justify="left",
        min_width=60,
    )
    table.add_column("class")
    for title in ("labelled pictures", "outline IoU", "escapes", "false alarms"):
        table.add_column(title, justify="right")
    for k, (name, item) in enumerate(zip(names, expected, strict=True)):
        shown = sum(bool((sample.instances.labels == k).any()) for sample in support.labelled)
        alarms = "unknown" if item.false_alarms is None else f"{item.false_alarms:.1%} of {item.clean}"
        table.add_row(name, str(shown), f"{item.iou:.1%}", f"{item.escapes:.0%}", alarms)
    console = Console(stderr=True)
    console.print(table)
    if support.clean_there > len(support.clean):
        notes = [f"{len(support.clean)} of {support.clean_there} good pictures are used.", *notes]
    for note in notes:
        console.print(f"- {note}")
