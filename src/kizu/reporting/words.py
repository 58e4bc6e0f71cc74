"""Figures and verdicts in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kizu.evaluation.notes import plural
from kizu.evaluation.result import Evaluation, Figure

_RATES = ("false alarm", "false-alarm", "escape", "rate")


def is_rate(name: str) -> bool:
    """Whether a figure of this name is read as a percentage."""
    return any(word in name.lower() for word in _RATES)


def percent(value: float) -> str:
    """0.0386 -> ``3.9 %``; very small rates keep two digits that count, and only a true zero reads as zero."""
    shown = value * 100
    if 0 < shown < 0.1:
        return f"{shown:.1g}\N{NO-BREAK SPACE}%"
    return f"{shown:.{1 if shown < 99.95 or value == 1 else 2}f}\N{NO-BREAK SPACE}%"


def number(figure: Figure) -> str:
    """The value of a figure as text, or a dash."""
    if figure.value is None:
        return "–"
    if is_rate(figure.name):
        return percent(figure.value)
    if abs(figure.value) >= 10:
        return f"{figure.value:,.1f}".removesuffix(".0")
    return f"{figure.value:.3f}"


def interval(figure: Figure) -> str:
    """The 95 % interval as text, or ""."""
    if figure.low is None or figure.high is None:
        return ""
    if is_rate(figure.name):
        return f"{percent(figure.low)[:-2]}–\N{WORD JOINER}{percent(figure.high)}"
    return f"{figure.low:.3f}–\N{WORD JOINER}{figure.high:.3f}"


def _rate(evaluation: Evaluation, *words: str) -> Figure | None:
    for figure in evaluation.figures:
        if not figure.class_name and figure.group == "image" and any(w in figure.name.lower() for w in words):
            return figure
    return None


def _share(count: int, total: int, figure: Figure | None) -> str:
    text = percent(count / total)
    if figure is not None and figure.value is not None and interval(figure):
        text += f", 95\N{NO-BREAK SPACE}% interval {interval(figure)}"
    return f"({text})"


def verdict(evaluation: Evaluation) -> list[str]:
    """What the evaluation says about the line, as sentences."""
    count: dict[str, int] = {}
    for record in evaluation.images:
        count[record["outcome"]] = count.get(record["outcome"], 0) + 1
    alarms, escapes = count.get("false alarm", 0), count.get("escape", 0)
    clean, defective = alarms + count.get("clean", 0), escapes + count.get("hit", 0)
    # Pictures that the model was fitted from may be all of one kind, and they are not counted here.
    where = "outside of the fit" if evaluation.counts.get("left_out") else "in this set"
    sentences = []
    if clean:
        share = _share(alarms, clean, _rate(evaluation, "false alarm", "false-alarm"))
        verb = "raised a false alarm"
        sentences.append(f"Of {plural(clean, 'good picture')}, {alarms:,} {verb} {share}.")
    else:
        sentences.append(f"There are no good pictures {where}, so nothing can be said about false alarms.")
    if defective:
        share = _share(escapes, defective, _rate(evaluation, "escape"))
        sentences.append(f"Of {plural(defective, 'picture')} with a defect, {escapes:,} escaped {share}.")
    else:
        sentences.append(f"There are no pictures with a defect {where}, so nothing can be said about escapes.")
    if count.get("other"):
        sentences.append(f"{plural(count['other'], 'picture')} with other kinds of defect only are in neither count.")
    return sentences


def verdict_found(images: int, fired: int, instances: int) -> list[str]:
    """The same for predictions without truth."""
    if not images:
        return ["There are no pictures in this set."]
    if not fired:
        return [f"Nothing was found on {plural(images, 'picture')}."]
    return [
        f"Something was found on {fired:,} of {plural(images, 'picture')} ({percent(fired / images)}), "
        f"{plural(instances, 'find')} in all.",
        "No truth was given, so this says what fired, and not how often it was right.",
    ]


def verdict_labels(images: int, labelled: int, unlabelled: int, instances: int, classes: int) -> list[str]:
    """The same for a labelled data set; ``unlabelled`` pictures are those without any label file."""
    of = plural(classes, "class", "classes")
    held = f"{plural(images, 'picture')} with {plural(instances, 'labelled instance')} of {of}"
    if images == labelled:
        return [f"{held}; there is one on every picture." if images else "There are no pictures in this set."]
    bare = f"; {unlabelled:,} have no label file" if unlabelled else ""
    return [f"{held}, on {labelled:,} of them; {images - labelled - unlabelled:,} hold none{bare}."]


def thresholds(card: dict[str, Any], names: Sequence[str]) -> list[tuple[str, str]]:
    """(class, threshold) in force, from a model card; [] where the card records none."""
    values = card.get("thresholds") or {}
    order = [n for n in names if n in values] + sorted(set(values) - set(names))
    return [
        (name, f"{values[name]:.4g}" if isinstance(values[name], (int, float)) else str(values[name])) for name in order
    ]


def plain(value: Any) -> str:
    """Any JSON value of a card as one line of text."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        shown = ", ".join(plain(item) for item in value[:12])
        return f"{shown} … ({len(value)} in all)" if len(value) > 12 else shown
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
