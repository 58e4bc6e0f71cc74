"""An evaluation as a table for the terminal, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from kizu.core.files import write_text
from kizu.evaluation.result import Evaluation, Figure

_DASH = "–"
_AP = ("AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge", "AR100")
# title of a block, group, columns: (head, name)
_BLOCKS = [
    (
        "Segmentation, %",
        "segmentation",
        [
            ("IoU", "IoU"),
            ("boundary F", "boundary F"),
            ("precision", "precision"),
            ("recall", "recall"),
            ("defect IoU", "IoU on defective images"),
        ],
    ),
    ("Score map, %", "pixel", [(name, name) for name in ("pixel AP", "pixel AUROC", "AUPRO")]),
    (
        "Images, %",
        "image",
        [("image AUROC", "image AUROC"), ("false alarms", "false-alarm rate"), ("escapes", "escape rate")],
    ),
    *((f"{kind} AP, %", f"{kind} AP", [(name, name) for name in _AP]) for kind in ("box", "mask")),
]
_MEANS = {"IoU": "mIoU", "boundary F": "mean boundary F", "IoU on defective images": "mIoU on defective images"}


def percent(figure: Figure, interval: bool = True) -> str:
    """``41.2 (36.0-46.1)``: percent and the ends of the interval; an en dash where there is no value."""
    if figure.value is None:
        return _DASH
    ends = "" if figure.low is None or not interval else f" ({100 * figure.low:.1f}-{100 * figure.high:.1f})"
    return f"{100 * figure.value:.1f}{ends}"


def print_table(evaluation: Evaluation, console=None) -> None:
    """Print the blocks that were measured, the reasons of missing figures, and the notes.

    Args:
        console: a ``rich.console.Console``; by default the terminal.
    """
    from rich.console import Console

    console = console or Console(highlight=False)
    known = {(f.group, f.name, f.class_name): f for f in evaluation.figures}
    missing: dict[str, list[str]] = {}
    for title, group, columns in _BLOCKS:
        if any((group, name, "") in known for _, name in columns):
            console.print(_block(title, group, columns, evaluation.names, known, missing))
            console.print()
    fb = known.get(("segmentation", "FB-IoU", ""))
    if fb is not None and fb.value is not None:
        console.print(f"FB-IoU {percent(fb)} % (all defects merged, and background)", markup=False)
    for why, cells in missing.items():
        console.print(f"{_DASH} {why}: {_join(cells)}", markup=False)
    for note in evaluation.notes:
        console.print(f"* {note}", markup=False)


def _block(title: str, group: str, columns, names: tuple[str, ...], known: dict, missing: dict[str, list[str]]):
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, title_style="bold")
    table.add_column("class", overflow="fold", min_width=10, max_width=24)
    for head, _ in columns:
        table.add_column(head, justify="right", no_wrap=True)
    rows = [(name, name) for name in names]
    if len(names) > 1:
        rows.append(("mean of classes", None) if group.endswith("AP") else ("any defect", ""))
        if group == "segmentation":
            rows.append(("mean of classes", None))
    for label, name in rows:
        cells = []
        for _, figure_name in columns:
            if name is None:
                key = (group, _MEANS.get(figure_name, figure_name if group.endswith("AP") else ""), "")
            else:
                key = (group, figure_name, name)
            figure = known.get(key)
            # Four intervals do not fit beside each other on 80 columns; the files hold them all.
            plain = figure_name in ("boundary F", "precision", "recall", "IoU on defective images")
            cells.append("" if figure is None else percent(figure, interval=not plain))
            if figure is not None and figure.value is None:
                told = figure.name if figure.name.startswith(figure.group) else f"{figure.group} {figure.name}"
                missing.setdefault(figure.why, []).append(f"{told} of {label}")
        table.add_row(Text(label), *cells)
    return table


def _join(cells: list[str], shown: int = 4) -> str:
    return "; ".join(cells[:shown]) + (f"; and {len(cells) - shown} more" if len(cells) > shown else "")


def to_csv(evaluation: Evaluation) -> str:
    """All figures, one line each: group, name, class, value, low, high (0..1), why."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["group", "name", "class", "value", "low", "high", "why"])
    for f in evaluation.figures:
        numbers = ["" if v is None else f"{v:.6f}" for v in (f.value, f.low, f.high)]
        writer.writerow([f.group, f.name, f.class_name, *numbers, f.why])
    return out.getvalue()


def write_figures(evaluation: Evaluation, folder: Path, skipped: Sequence[dict[str, str]] = ()) -> None:
    """Write ``evaluation.json`` (everything) and ``figures.csv`` into ``folder``, each whole or not at all.

    ``skipped`` items go into ``evaluation-skipped.jsonl``; ``skipped.jsonl`` there may be that of the prediction.

    Raises:
        KizuError: the file system refuses.
    """
    write_text(folder / "evaluation.json", evaluation.to_json() + "\n")
    write_text(folder / "figures.csv", to_csv(evaluation))
    listed = folder / "evaluation-skipped.jsonl"
    if skipped:
        write_text(listed, "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in skipped))
    else:
        listed.unlink(missing_ok=True)
