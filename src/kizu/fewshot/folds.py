"""Folds: what is known of the pictures of each by members that have not seen them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from kizu.fewshot.adapt import Decoders
from kizu.fewshot.gathered import Cells, Gathered, joined
from kizu.fewshot.holdout import changed_copy, one_half
from kizu.fewshot.matching import Matching
from kizu.fewshot.members import Members
from kizu.fewshot.plays import Played

_NOTHING = 2  # good pictures of each fold that mixtures are chosen on, too


@dataclass
class Fold:
    """What is known of the pictures of one fold by a judge that has not seen them.

    Attributes:
        judge: of its good pictures.
        held_out: member maps, truth, and the classes that are judged by them.
        nothing: member maps of good pictures.
        copied: classes that were judged on a changed copy.
        played: classes that played unknown, where that is asked for;
        ground: and maps of how unlike the ground the pictures of ``nothing`` are.
    """

    judge: Members | None = None
    held_out: list[tuple[np.ndarray, np.ndarray, set[int]]] = field(default_factory=list)
    nothing: list[np.ndarray] = field(default_factory=list)
    copied: set[int] = field(default_factory=set)
    played: list[Played] = field(default_factory=list)
    ground: list[np.ndarray] = field(default_factory=list)


def judged(gathered: Gathered, fold: int, seed: int, adapted: Decoders | None, unknown: bool) -> Fold:
    """A fold, judged by members that were fitted to the others.

    A class that only this fold shows is judged on each half of its pixels by what was fitted to the other half, or on
    changed copies where it is too small for that.

    Args:
        seed, adapted, unknown: as those of :func:`kizu.fewshot.fit.fit_fewshot`.
    """
    support, truths, classes = gathered.support.labelled, gathered.truths, gathered.classes
    lost, shown, held = gathered.parting.lost[fold], gathered.parting.shown, gathered.parting.held(fold)
    rest, clean_held = gathered.without(fold), gathered.clean_of(fold)
    decoder = adapted.judges[fold] if adapted else None
    out = Fold()
    others = set(range(classes)) - lost
    if others:
        out.judge = gathered.members(rest, decoder)
        for i in held:
            out.held_out.append((gathered.maps(out.judge, support[i]).astype(np.float16), truths[i], others))
    showing = [i for i in held if shown[i]]
    if all(gathered.in_halves[i].has_halves(classes, shown[i]) for i in showing):
        # A decoder has learned the first halves, and can be judged on the second ones alone.
        for which in (0, 1)[: 1 if adapted else 2] if showing else ():
            halved = [gathered.in_halves[i].half(classes, shown[i], which) for i in showing]
            out.judge = gathered.members([*rest, *halved], decoder)
            for i in showing:
                maps = gathered.maps(out.judge, support[i]).astype(np.float16)
                out.held_out.append((maps, one_half(truths[i], shown[i], 1 - which), shown[i]))
    else:
        out.copied = lost
        out.judge = gathered.members([*rest, *(gathered.labelled[i] for i in showing)], decoder)
        for i in showing:
            image, truth = changed_copy(support[i].image, truths[i])
            out.held_out.append((out.judge.maps(image).astype(np.float16), truth, shown[i]))
    out.nothing = [gathered.maps(out.judge, sample).astype(np.float16) for sample in clean_held[:_NOTHING]]
    if unknown:
        out.ground = [gathered.look(out.judge, s, set())[1].astype(np.float16) for s in clean_held[:_NOTHING]]
        out.played = list(_played(gathered, out.judge, rest, held, seed))
    return out


def _played(gathered: Gathered, judge: Members, rest: list[Cells], held: list[int], seed: int) -> Iterator[Played]:
    """Each class in turn as one that nobody knows, on the pictures of a fold that show it."""
    classes = gathered.classes
    for k in range(classes):
        showing = [i for i in held if gathered.truths[i][k].any()]
        parts = [part.without({k} if classes > 1 else set()) for part in rest]
        if showing and any((part.labels == 0).any() for part in parts):
            rows, seen, labels, _ = joined(parts)
            matching = Matching.fit(rows, seen, labels, np.ones(len(labels)), classes, seed, linear=False)
            blind = replace(judge, matching=matching, decoder=None)
            for i in showing:
                unlike = gathered.look(blind, gathered.support.labelled[i], set())[1]
                yield Played(k, i, unlike.astype(np.float16))
