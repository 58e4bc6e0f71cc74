"""Fitting the inspector that matches: the labelled pictures are remembered, and nothing is chosen.

What is to be expected of it is seen on each labelled picture, matched with the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from kizu import __version__
from kizu.core.card import Card
from kizu.core.errors import KizuError
from kizu.core.sample import Sample
from kizu.fewshot.gfds import GRID, RULE, SIDE, GfdsInspector, Shot, match, matchable, remember, widen
from kizu.fewshot.holdout import truth_of
from kizu.fewshot.network import shipped
from kizu.fewshot.support import Support
from kizu.inspection.calibrate import Expected
from kizu.inspection.record import data_record

UNCALIBRATED = "uncalibrated: the rule of GFDS knows no threshold"


def fit_gfds(support: Support, step: Callable[[], None] = lambda: None) -> tuple[GfdsInspector, list[Expected]]:
    """Fit an inspector that matches with a few labelled pictures, by the rule of GFDS.

    Args:
        support: labelled pictures; good ones are not used.
        step: called after each of :func:`steps`.

    Raises:
        KizuError: the network's files are missing or damaged, a labelled picture cannot be read, or a class has no
            foreground or no background left at 256 x 256.
    """
    classes = len(support.names)
    network = shipped()  # a network that is missing or damaged is said at once, not of the first picture
    shots = []
    for sample in support.labelled:
        layers = truth_of(sample, classes)[:classes]
        shots.append(remember(sample.image, {k: layer for k, layer in enumerate(layers) if layer.any()}))
        step()
    for k, name in enumerate(support.names):
        _check(name, [shot.masks[k] for shot in shots if k in shot.masks])
    expected = _expected(support.labelled, shots, classes, step)
    card = Card(
        kind=GfdsInspector.kind,
        architecture=f"the rule of GFDS: the largest cosine with foreground cells against that with background cells, "
        f"on {network.width} channels of {network.name}; {len(shots)} pictures of {GRID} x {GRID} cells",
        classes=list(support.names),
        preprocessing={
            "input": f"uint8 RGB, the whole picture resized to {SIDE} x {SIDE}",
            "tiles": f"none: what is finer than a {SIDE}th of a side is lost",
            "weights": "{name}, SHA-256 {sha256}".format(**network.identity),
        },
        thresholds=dict.fromkeys(support.names, RULE.region),
        threshold_method=UNCALIBRATED,
        data=[
            {key: support.info[key] for key in ("title", "licence", "origin") if support.info.get(key)}
            | data_record("labelled pictures", "support", support.labelled)
        ],
        figures={name: asdict(item) for name, item in zip(support.names, expected, strict=True)},
        notes=_notes(support.names, shots, expected),
        version=__version__,
    )
    return GfdsInspector(card, shots), expected


def steps(support: Support) -> int:
    """How often :func:`fit_gfds` calls ``step``."""
    return 2 * len(support.labelled)


def _check(name: str, masks: list) -> None:
    """Refuse a class that cannot be matched, given its cells on each picture that shows it."""
    if not masks:
        raise KizuError(f"class {name!r}: none of its labelled pictures has a pixel in its mask; label it again")
    if not any(mask.any() for mask in masks):
        raise KizuError(
            f"class {name!r}: its masks are too small to be seen at {SIDE} x {SIDE}, the size at which GFDS looks; "
            "label larger defects, cut the pictures smaller, or leave out --matcher gfds"
        )
    if all(mask.all() for mask in masks):
        raise KizuError(
            f"class {name!r}: no ground: its masks cover the labelled pictures whole, and GFDS takes ground from no "
            "others; label a picture of which it covers a part, or leave out --matcher gfds"
        )


def _expected(labelled: list[Sample], shots: list[Shot], classes: int, step: Callable[[], None]) -> list[Expected]:
    """What is met on each labelled picture, with all but it and its near-duplicates remembered."""
    right, wrong, total, there, escaped = ([0] * classes for _ in range(5))
    for i, (sample, shot) in enumerate(zip(labelled, shots, strict=True)):
        others = [
            other
            for j, (twin, other) in enumerate(zip(labelled, shots, strict=True))
            if j != i and not (sample.group and twin.group == sample.group)
        ]
        known = [k for k in range(classes) if matchable(others, k)]
        truth = truth_of(sample, classes)
        odds = widen(match(shot.cells, others, known), sample.size) if known else ()
        for k, layer in zip(known, odds, strict=True):
            fires = (layer > 0) & ~truth[-1]  # classes that were not asked for are nobody's mistake
            hits, pixels = int((fires & truth[k]).sum()), int(truth[k].sum())
            right[k], wrong[k], total[k] = right[k] + hits, wrong[k] + int(fires.sum()) - hits, total[k] + pixels
            there[k] += pixels > 0
            escaped[k] += pixels > 0 and hits == 0
        step()
    return [
        Expected(right[k] / (total[k] + wrong[k]), escaped[k] / there[k], None, 0, False)
        if there[k]
        else Expected(None, None, None, 0, False)
        for k in range(classes)
    ]


def _notes(names: tuple[str, ...], shots: list[Shot], expected: list[Expected]) -> list[str]:
    told = "Good pictures are not used, and nothing is promised about false alarms."
    notes = [f"{UNCALIBRATED[0].upper()}{UNCALIBRATED[1:]}. {told}"]
    for k, name in enumerate(names):
        lost = sum(k in shot.masks and not shot.masks[k].any() for shot in shots)
        if lost:
            notes.append(
                f"On {lost} of the labelled pictures that show {name} it is too small to be seen at {SIDE} x {SIDE}, "
                "and counts as ground."
            )
    alone = [name for name, item in zip(names, expected, strict=True) if item.iou is None]
    if alone:
        notes.append(
            f"No other labelled picture shows {', '.join(alone)}: what to expect there is unknown. Label more."
        )
    return notes
