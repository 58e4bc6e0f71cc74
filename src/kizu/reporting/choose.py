"""Which pictures the gallery shows and in which order: worst first, then an even spread without any chance in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

ERRORS = ("escape", "false alarm")
_RANK = {"escape": 0, "false alarm": 1, "hit": 2, "other": 3, "clean": 4}


def worst_first(record: dict[str, Any]) -> tuple:
    """Sorting key of one image record: escapes (the least suspected first), false alarms (the surest first), hits from
    the lowest IoU up, pictures of other classes, clean ones from the highest score down; ties by id."""
    outcome, score, iou = record["outcome"], record.get("score"), record.get("iou")
    score = 0.0 if score is None else score
    if outcome == "escape":
        second = score
    elif outcome == "hit":
        second = 2.0 if iou is None else iou
    else:
        second = -score
    return (_RANK.get(outcome, 5), second, record["id"])


def spread(count: int, wanted: int) -> list[int]:
    """``wanted`` of ``count`` places, evenly spaced, the first and the last among them where there are two or more."""
    if wanted >= count:
        return list(range(count))
    if wanted <= 1:
        return [0][:wanted]
    return [round(i * (count - 1) / (wanted - 1)) for i in range(wanted)]


def choose(records: Sequence[dict[str, Any]], limit: int) -> list[int]:
    """At most ``limit`` places in ``records`` (already worst first), in that order.

    Every error comes before anything else; half of what is left goes to the worst of the rest, half to an even spread.
    """
    errors = [i for i, record in enumerate(records) if record["outcome"] in ERRORS]
    chosen = errors[:limit]
    rest = [i for i, record in enumerate(records) if record["outcome"] not in ERRORS]
    left = limit - len(chosen)
    worst = rest[: min(-(-left // 2), len(rest))]
    others = rest[len(worst) :]
    chosen += worst + [others[i] for i in spread(len(others), left - len(worst))]
    return sorted(chosen)


def choose_by_class(groups: Sequence[Sequence[int]], limit: int) -> list[int]:
    """At most ``limit`` of the members of all groups, the groups taking turns and each spread evenly, group by group.

    So a class of three pictures is seen beside one of three thousand.
    """
    shares = [0] * len(groups)
    left = limit
    while left > 0 and any(share < len(group) for share, group in zip(shares, groups, strict=True)):
        for i, group in enumerate(groups):
            if left > 0 and shares[i] < len(group):
                shares[i] += 1
                left -= 1
    return [group[i] for group, share in zip(groups, shares, strict=True) for i in spread(len(group), share)]
