"""The card of a few-shot inspector: how its thresholds were chosen, from which pictures, and what that leaves open."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from kizu import __version__
from kizu.core.card import Card
from kizu.core.sample import Sample
from kizu.fewshot.support import MOST_CLEAN, Support
from kizu.inspection.calibrate import Expected, least_promised, needed_clean
from kizu.inspection.record import data_record
from kizu.inspection.regions import Rule


def judged_on_copies(names: list[str], seen: str) -> list[str]:
    """The note on classes that were judged on copies of their only picture; none where there are none.

    Args:
        seen: who has seen the originals, as in "the scorer was fitted to".
    """
    if not names:
        return []
    told = f"No other labelled picture shows {', '.join(names)}: judged on turned and rescaled copies of pictures that "
    return [f"{told}{seen}, which flatters. Label more."]


def card_of(
    kind: str,
    architecture: str,
    preprocessing: dict[str, Any],
    support: Support,
    clean: list[Sample],
    rules: list[Rule],
    expected: list[Expected],
    false_alarms: float,
    more: list[str],
    folds: int,
) -> Card:
    """The card.

    Args:
        folds: of the labelled pictures; one was left out at a time.
        clean: the good pictures that could be read.
        more: notes on how far the figures can be trusted.
    """
    part = f"of {folds} parts of the labelled pictures" if folds < len(support.labelled) else "labelled picture"
    method = (
        f"Each {part} was left out, and judged by what was fitted to the others: outlines and alarms by the best "
        "pooled IoU, drawn to what is likely of any class where few pictures show this one"
    )
    notes = []
    if clean:
        method += (
            f"; alarms then held to {false_alarms:.1%} of good pictures by {len(clean)} held-out good ones (conformal)."
        )
        if not all(item.promised for item in expected):
            needed = needed_clean(false_alarms, len(rules))
            least = math.ceil(1000 * least_promised(MOST_CLEAN, len(rules))) / 1000
            would = (
                f"{needed} would do"
                if needed <= MOST_CLEAN
                else (f"{needed} would do, of which {MOST_CLEAN} are used at most: ask for {least:.1%} or more")
            )
            notes.append(
                f"{len(clean)} good pictures are too few to promise {false_alarms:.1%} false alarms ({would}); the "
                "strictest threshold they allow is in force."
            )
    else:
        method += "; no good pictures were given."
        notes.append("Uncalibrated for false alarms: no good pictures were given. Pass some with --clean.")
    notes += more
    about = {key: support.info[key] for key in ("title", "licence", "origin") if support.info.get(key)}
    data = [about | data_record("labelled pictures", "support", support.labelled)]
    data += [about | data_record("good pictures", "clean", clean)] if clean else []
    return Card(
        kind=kind,
        architecture=architecture,
        classes=list(support.names),
        preprocessing=preprocessing,
        thresholds={name: round(rule.region, 6) for name, rule in zip(support.names, rules, strict=True)},
        threshold_method=method,
        data=data,
        figures={name: asdict(item) for name, item in zip(support.names, expected, strict=True)},
        notes=notes,
        version=__version__,
    )
