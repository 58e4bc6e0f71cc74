"""Figures as key cards and as tables with one row a class; what is missing carries the number of its reason."""

from __future__ import annotations

from dataclasses import dataclass, field

from kizu.evaluation.result import Evaluation, Figure
from kizu.reporting import words

_TITLES = {
    "image": "Whole pictures",
    "segmentation": "Segmentation",
    "pixel": "Pixels",
    "mask AP": "Average precision of masks",
    "box AP": "Average precision of boxes",
}
_ALL = "all classes"
_KEY_FIGURES = (
    ("image", "false-alarm rate"),
    ("image", "escape rate"),
    ("image", "image AUROC"),
    ("segmentation", "mIoU"),
    ("segmentation", "mIoU on defective images"),
    ("pixel", "pixel AP"),
    ("mask AP", "AP50"),
    ("box AP", "AP50"),
)


@dataclass
class FigureTable:
    """A table: ``rows`` are (class, cells), a cell is (text, interval, number of the footnote or 0)."""

    title: str
    columns: list[str]
    rows: list[tuple[str, list[tuple[str, str, int]]]]
    remarks: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class KeyFigure:
    """One card of the head of the page."""

    name: str
    value: str
    interval: str
    why: str
    tone: str  # "bad" and "warn" colour escapes and false alarms, "" nothing


def _card_name(figure: Figure) -> str:
    # AP of masks and AP of boxes would read alike
    name = f"{figure.group.split()[0]} {figure.name}" if figure.group in ("mask AP", "box AP") else figure.name
    return name[:1].upper() + name[1:] if name[:2].islower() else name  # mIoU stays


def key_figures(evaluation: Evaluation) -> list[KeyFigure]:
    """The figures of all classes together that say most; where none of those was measured, the first there are."""
    overall = {(f.group, f.name): f for f in evaluation.figures if not f.class_name}
    chosen = [overall[key] for key in _KEY_FIGURES if key in overall] or list(overall.values())[:8]
    cards = []
    for figure in chosen:
        tone = "bad" if "escape" in figure.name.lower() else "warn" if "alarm" in figure.name.lower() else ""
        cards.append(KeyFigure(_card_name(figure), words.number(figure), words.interval(figure), figure.why, tone))
    return cards


def figure_tables(evaluation: Evaluation) -> list[FigureTable]:
    """One table a group of figures, in the order in which the groups are titled."""
    groups: dict[str, dict[str, dict[str, tuple[str, str, str]]]] = {}
    columns: dict[str, list[str]] = {}
    for figure in evaluation.figures:
        row = groups.setdefault(figure.group, {}).setdefault(figure.class_name or _ALL, {})
        row[figure.name] = (words.number(figure), words.interval(figure), figure.why)
        names = columns.setdefault(figure.group, [])
        if figure.name not in names:
            names.append(figure.name)
    tables = []
    known = list(_TITLES)
    for group in sorted(groups, key=lambda g: (known.index(g) if g in known else len(known), g)):
        reasons: list[str] = []
        rows = []
        # figures that exist for all classes together only stand at the end, or every row would begin with gaps
        by_class = {column for name, row in groups[group].items() if name != _ALL for column in row}
        columns[group].sort(key=lambda column: bool(by_class) and column not in by_class)
        # all classes together stand in the last row, as a sum would
        for name in sorted(groups[group], key=lambda n: n == _ALL):
            cells = []
            for column in columns[group]:
                text, interval, why = groups[group][name].get(column, ("", "", ""))
                if why and why not in reasons:
                    reasons.append(why)
                cells.append((text, interval, reasons.index(why) + 1 if why else 0))
            rows.append((name, cells))
        tables.append(FigureTable(_TITLES.get(group, group), columns[group], rows, [], reasons))
    return tables
