"""Which charts a report shows, from an evaluation or from the counts of a data set."""

from __future__ import annotations

from kizu.evaluation.result import Evaluation
from kizu.reporting.colours import class_slot
from kizu.reporting.survey import Survey
from kizu.reporting.svg import Chart, Line, bar_chart, line_chart, mirrored_histogram, size_histogram

_DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 2", "12 4", "1 2")
_THRESHOLD = (0.5, "threshold in force")


def _colour(label: int) -> str:
    return f"var(--k{class_slot(label)}-line)"


def of_evaluation(evaluation: Evaluation) -> list[Chart]:
    """Threshold curve, histogram of image scores and pixel precision-recall, as far as they were measured."""
    out = []
    curve = evaluation.curves.get("threshold") or {}
    if curve.get("threshold"):
        lines = [
            Line(name, curve["threshold"], curve[key], colour, dash)
            for name, key, colour, dash in (
                ("false alarms (of good pictures)", "false_alarm", "var(--warn)", ""),
                ("escapes (of pictures with a defect)", "escape", "var(--bad)", "6 3"),
            )
            if any(v is not None for v in curve.get(key) or [])
        ]
        if lines:
            caption = (
                "If every picture that reaches the threshold raised an alarm: to the right fewer do, and more escape."
            )
            title = "False alarms and escapes"
            out.append(line_chart(title, lines, "threshold on the image score", "rate", _THRESHOLD, True, caption))
    groups = {"hit": [], "clean": []}
    for record in evaluation.images:
        key = {"escape": "hit", "false alarm": "clean"}.get(record["outcome"], record["outcome"])
        if key in groups and record.get("score") is not None:
            groups[key].append(min(max(float(record["score"]), 0.0), 1.0))
    defective = ("with a defect", groups["hit"], "var(--bad)")
    clean = ("good", groups["clean"], "var(--calm)")
    if groups["hit"] or groups["clean"]:
        above, below = (defective, clean) if groups["hit"] else (clean, defective)
        caption = "Pictures right of the mark reach the threshold in force: above the line rightly, below it falsely."
        two = bool(groups["hit"] and groups["clean"])
        title = "Image scores"
        out.append(mirrored_histogram(title, above, below, "image score", _THRESHOLD, caption=caption if two else ""))
    lines = []
    for name, record in (evaluation.curves.get("pr") or {}).items():
        if record.get("recall"):
            label = evaluation.names.index(name) if name in evaluation.names else len(evaluation.names)
            dash = _DASHES[label % len(_DASHES)]
            lines.append(Line(name, record["recall"], record["precision"], _colour(label), dash))
    if lines:
        caption = (
            "Of the pixels marked, how many are defect (precision); of the defect pixels, how many are marked (recall)."
        )
        out.append(line_chart("Precision and recall of pixels", lines, "recall", "precision", caption=caption))
    return out


def of_survey(known: Survey, names: tuple[str, ...]) -> list[Chart]:
    """Instances per class, their sizes and, for predictions, the image scores."""
    out = []
    if known.scored and known.images:
        scores = [min(max(float(r["score"]), 0.0), 1.0) for r in known.images if r["score"] is not None]
        nothing = ("", [], "var(--calm)")
        group = ("all pictures", scores, "var(--calm)")
        out.append(mirrored_histogram("Image scores", group, nothing, "image score", _THRESHOLD))
    if known.instances:
        bars = [(name, len(sizes), _colour(i)) for i, (name, sizes) in enumerate(zip(names, known.sizes, strict=True))]
        out.append(bar_chart("Instances by class", bars))
        groups = [(n, s, _colour(i)) for i, (n, s) in enumerate(zip(names, known.sizes, strict=True)) if s]
        caption = "The size of an instance is the square root of its area."
        out.append(size_histogram("Sizes", groups, "size in pixels", caption))
    return out
