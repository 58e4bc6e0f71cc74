"""The page: a data set, its evaluation and its model card become one HTML file with everything inside."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from kizu import __version__
from kizu.core.card import Card
from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.run import Skips, progress
from kizu.evaluation.result import Evaluation
from kizu.evaluation.support import Support
from kizu.reporting import charts, words
from kizu.reporting.choose import ERRORS, choose, choose_by_class, spread, worst_first
from kizu.reporting.colours import OKABE_ITO, class_slot, heat_stops
from kizu.reporting.survey import Survey, survey
from kizu.reporting.tables import FigureTable, figure_tables, key_figures
from kizu.reporting.tiles import Tile, in_force, make_tile

_HERE = Path(__file__).parent
_OUTCOMES = {  # outcome -> (sign, words): told apart by sign and word, colour only helps
    "escape": ("✕", "Escape"),
    "false alarm": ("!", "False alarm"),
    "hit": ("✓", "Hit"),
    "clean": ("○", "Clean"),
    "other": ("·", "Other class"),
    "found": ("◆", "Found"),
    "nothing": ("○", "Nothing found"),
    "labelled": ("◆", "Labelled"),
    "unlabelled": ("–", "No label"),
    "unreadable": ("?", "Unreadable"),
}


_ALWAYS = ("images", "defective", "clean")  # counts that say something even where they are zero


@dataclass
class Report:
    """A finished page: its HTML, how many pictures the gallery shows of how many, and what could not be read."""

    html: str
    shown: int
    total: int
    skipped: list[dict[str, str]] = field(default_factory=list)


def build(
    dataset: Dataset,
    truth: Dataset | None = None,
    evaluation: Evaluation | None = None,
    *,
    images: int = 200,
    title: str = "Inspection report",
) -> Report:
    """Make the page of predictions with truth, of predictions alone, or of a labelled data set.

    Args:
        dataset: predictions, or a labelled data set.
        truth: what the predictions were measured against; goes together with ``evaluation``.
        evaluation: the figures, over all pictures.
        images: the most pictures that the gallery shows.

    Raises:
        KizuError: ``truth`` without ``evaluation`` or the other way round, or a negative number of images.
    """
    if (truth is None) != (evaluation is None):
        raise KizuError("truth and evaluation go together; pass both or neither")
    if images < 0:
        raise KizuError(f"images is {images}; give the number of pictures that the gallery may show, 0 for none")
    skips = Skips()
    card = _card(dataset)
    names = dataset.names
    if truth is not None and evaluation is not None:
        names += tuple(name for name in truth.names if name not in names)
        records = sorted(evaluation.images, key=worst_first)
        chosen = choose(records, images)
        context = _measured(evaluation, card)
    else:
        known = survey(dataset, skips)
        records, chosen = _order(known, images)
        context = _counted(known, names)
    tiles = _gallery(dataset, truth, [records[i] for i in chosen], names, skips)
    context |= _common(dataset, truth, card, names, title, tiles, records)
    return Report(_render(context), len(tiles), len(records), skips.items)


def _card(dataset: Dataset) -> dict[str, Any]:
    """The model card with every field that a card has; empty ones where there is no card."""
    card = dataset.info.get("card") or {}
    if not isinstance(card, dict):
        raise KizuError("the model card of this data set (info, field 'card') is not a record; predict again")
    return asdict(Card(kind="")) | card


def _order(known: Survey, limit: int) -> tuple[list[dict[str, Any]], list[int]]:
    """Records of a data set without truth in gallery order, and the chosen ones: by score, or some of every class."""
    if known.scored:
        records = sorted(known.images, key=lambda r: (r["outcome"] != "unreadable", -(r["score"] or 0), r["id"]))
        first = [i for i, r in enumerate(records) if r["outcome"] in ("unreadable", "found")][:limit]
        rest = [i for i, r in enumerate(records) if r["outcome"] == "nothing"]
        return records, first + [rest[i] for i in spread(len(rest), limit - len(first))]
    records = known.images
    groups: dict[int, list[int]] = {}
    for i, record in enumerate(records):
        key = -1 if record["outcome"] == "unreadable" else len(known.sizes)
        if record["labels"]:
            key = min(record["labels"], key=lambda label: (known.on_images[label], label))
        groups.setdefault(key, []).append(i)
    return records, choose_by_class([groups[key] for key in sorted(groups)], limit)


def _measured(evaluation: Evaluation, card: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "evaluation",
        "verdict": words.verdict(evaluation),
        "key_figures": key_figures(evaluation),
        "tables": figure_tables(evaluation),
        "charts": charts.of_evaluation(evaluation),
        "counts": [(n.replace("_", " "), c) for n, c in evaluation.counts.items() if c or n in _ALWAYS],
        "remarks": list(evaluation.notes),
        "data": {"figures": [asdict(figure) for figure in evaluation.figures], "counts": evaluation.counts},
    }


def _counted(known: Survey, names: tuple[str, ...]) -> dict[str, Any]:
    total = len(known.images)
    if known.scored:
        verdict = words.verdict_found(total, known.count("found"), known.instances)
        counts = [("pictures", total), ("with a find", known.count("found")), ("finds", known.instances)]
    else:
        verdict = words.verdict_labels(
            total, known.count("labelled"), known.count("unlabelled"), known.instances, len(names)
        )
        counts = [("pictures", total), ("labelled", known.count("labelled")), ("instances", known.instances)]
    if known.count("unreadable"):
        counts.append(("unreadable", known.count("unreadable")))
    return {
        "kind": "predictions" if known.scored else "truth",
        "verdict": verdict,
        "key_figures": [],
        "tables": [_class_table(known, names)] if names else [],
        "charts": charts.of_survey(known, names),
        "counts": counts,
        "remarks": [],
        "data": {"counts": dict(counts)},
    }


def _class_table(known: Survey, names: tuple[str, ...]) -> FigureTable:
    columns = ["pictures", "instances", "smallest (px)", "median (px)", "largest (px)"]
    rows = []
    for name, sizes, count in zip(names, known.sizes, known.on_images, strict=False):
        ordered = sorted(sizes)
        middle = [ordered[0], ordered[(len(ordered) - 1) // 2], ordered[-1]] if ordered else []
        cells = [f"{count:,}", f"{len(sizes):,}", *([f"{v:.3g}" for v in middle] or ["–"] * 3)]
        rows.append((name, [(cell, "", 0) for cell in cells]))
    title = "What was found, by class" if known.scored else "What is labelled, by class"
    return FigureTable(title, columns, rows, ["The size of an instance is the square root of its area, in pixels."])


def _gallery(
    dataset: Dataset, truth: Dataset | None, records: list[dict[str, Any]], names: tuple[str, ...], skips: Skips
) -> list[Tile]:
    """Tiles of the chosen records, in their order; pictures are read in the order of the data set, one at a time."""
    tiles = [Tile(record["id"], record["outcome"], record.get("score"), record.get("iou")) for record in records]
    if truth is None:
        places = [(record["index"], None) for record in records]
    else:
        mine, theirs = _places(dataset, tiles), _places(truth, tiles)
        places = [(mine.get(tile.id), theirs.get(tile.id)) for tile in tiles]
    support = Support(dataset)
    noted = {item["item"] for item in skips.items}
    with progress("report: pictures", len(tiles)) as step:
        for k in sorted(range(len(tiles)), key=lambda k: -1 if places[k][0] is None else places[k][0]):
            tile = tiles[k]
            here, there = places[k]
            if support.holds(tile.id, lambda i=here, j=there: dataset[i] if j is None else truth[j]):
                tile.remarks.append("the model was fitted from this picture")
            if tile.outcome == "hit" and tile.iou == 0:
                tile.remarks.append("it fired, but not on the defect")
            try:
                _fill(tile, dataset, places[k][0], truth, places[k][1], names)
            except DataError as error:
                tile.reason = str(error)
                if tile.id not in noted:
                    skips.items.append({"item": tile.id, "reason": str(error)})
            step()
    return tiles


def _places(dataset: Dataset, tiles: list[Tile]) -> dict[str, int]:
    wanted = {tile.id for tile in tiles}
    return {id: i for i, id in enumerate(dataset.ids) if id in wanted}


def _fill(tile: Tile, dataset: Dataset, i: int | None, truth: Dataset | None, j: int | None, names) -> None:
    sample = None if i is None else dataset[i]
    true = None if truth is None or j is None else truth[j]
    if sample is None and true is None:
        raise DataError(f"{tile.id}: it is neither among the predictions nor in the truth; evaluate again")
    predicted = truth is not None or tile.outcome in ("found", "nothing")
    mine = None if sample is None else (in_force(sample.instances), [names.index(name) for name in dataset.names])
    real = None if true is None else (true.instances, [names.index(name) for name in truth.names])
    try:
        image = (sample or true).image
    except DataError:
        if sample is None or true is None:
            raise
        image = true.image  # predictions may have been moved away from their pictures; the truth still has them
    score_map = sample.score_map if sample is not None and predicted else None
    make_tile(tile, image, names, real if predicted else mine, mine if predicted else None, score_map)


def _common(dataset, truth, card, names, title, tiles, records) -> dict[str, Any]:
    shown: dict[str, int] = {}
    for tile in tiles:
        shown[tile.outcome] = shown.get(tile.outcome, 0) + 1
    errors = sum(record["outcome"] in ERRORS for record in records)
    hidden = errors - sum(tile.outcome in ERRORS for tile in tiles)
    present = sorted({label for tile in tiles for label in tile.labels})
    notes = [str(note) for note in card.get("notes") or []]
    notes += [str(note) for part in (dataset, truth) if part is not None for note in part.notes]
    return {
        "title": title,
        "version": __version__,
        "made": date.today().isoformat(),
        "notes": list(dict.fromkeys(notes)),
        "card": card,
        "card_rows": _card_rows(card),
        "info_rows": [
            # Records within records are for programs (category tables of COCO files ...).
            (k, words.plain(v))
            for k, v in dataset.info.items()
            if isinstance(v, str | int | float) and v != ""
        ],
        "thresholds": words.thresholds(card, names),
        "names": names,
        "palette": OKABE_ITO,
        "slots": [class_slot(label) for label in range(len(names))],
        "present": present,
        "tiles": tiles,
        "total": len(records),
        "outcomes": shown,
        "hidden_errors": hidden,
        "words_of": _OUTCOMES,
        "has": {
            "truth": any(s.layer == "truth" for t in tiles for s in t.shapes),
            "found": any(s.layer == "found" for t in tiles for s in t.shapes),
            "heat": any(t.heat for t in tiles),
            "close": any(t.close_up for t in tiles),
        },
        "heat_stops": heat_stops(),
    }


def _card_rows(card: dict[str, Any]) -> list[tuple[str, str]]:
    """The plain fields of a model card, for a table of two columns."""
    rows = [("kind", card.get("kind")), ("architecture", card.get("architecture")), ("classes", card.get("classes"))]
    rows += [("preprocessing", card.get("preprocessing")), ("thresholds", card.get("thresholds"))]
    rows += [("how they were chosen", card.get("threshold_method")), ("figures when fitted", card.get("figures"))]
    rows += [("made with", f"Kizu {card['version']}" if card.get("version") else None)]
    return [(name, words.plain(value)) for name, value in rows if value not in (None, "", [], {})]


def _render(context: dict[str, Any]) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": words.percent, "plain": words.plain}
    script = (_HERE / "report.js").read_text("utf-8")
    # Only this very script may run: what hostile names could smuggle in, the browser refuses.
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    data = context.pop("data") | {"title": context["title"], "card": context["card"], "kizu": context["version"]}
    text = json.dumps(data, ensure_ascii=False, sort_keys=True, default=str)
    for mark in "<>&":  # nothing in the data can end the element that holds it
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    template = environment.from_string((_HERE / "report.html.j2").read_text("utf-8"))
    return template.render(
        **context,
        style=Markup((_HERE / "report.css").read_text("utf-8")),
        script=Markup(script),
        script_digest=digest,
        data=Markup(text),
    )
