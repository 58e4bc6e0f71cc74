"""Fitting the inspector that remembers: nothing is trained; what is remembered is chosen, and the thresholds are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kizu.core.errors import KizuError
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.core.seeds import Stream, generator
from kizu.fewshot.cards import card_of, judged_on_copies
from kizu.fewshot.holdout import changed_copy, folds, truth_of
from kizu.fewshot.sam2_folder import weights_digest
from kizu.fewshot.support import Support
from kizu.fewshot.thresholds import Judged, choose_rules, pairs_of
from kizu.fewshot.track import (
    NOWHERE,
    Example,
    TrackInspector,
    memories_of,
    odds_of,
    open_tracker,
    squeeze,
    squeeze_mask,
    together,
)
from kizu.inspection.calibrate import Expected, class_share

if TYPE_CHECKING:
    from kizu.fewshot.nets.sam2 import Memory

GOOD = 4  # good pictures that are remembered as holding nothing
LEAST = -3.0  # pixel threshold, log odds: where SAM2 sees nothing on any left-out picture, no outline is the whole one


def fit_track(
    support: Support,
    folder: Path | str,
    false_alarms: float = 0.05,
    seed: int = 0,
    turns: bool = True,
    skips: Skips | None = None,
    step: Callable[[], None] = lambda: None,
) -> tuple[TrackInspector, list[Expected]]:
    """Fit an inspector that remembers a few labelled pictures.

    A class remembers the pictures that show it, with mirrored copies, and :data:`GOOD` good ones as holding nothing.
    Thresholds come from pictures that are not among the memories: as memories do not see one another, leaving one out
    is no more than not showing it. See :func:`kizu.fewshot.fit.fit_fewshot` for what is left out with what.

    Args:
        support: labelled and good pictures.
        folder: of a SAM2 video model of transformers.
        false_alarms: allowed share of good pictures on which the inspector fires, in 0..1; the classes share it evenly.
        seed: draws the good pictures that are remembered.
        turns: remember mirrored copies of the labelled pictures, too.
        skips: notes good pictures that cannot be read.
        step: called after each of :func:`steps`.

    Raises:
        KizuError: torch or transformers is missing, the folder holds no SAM2 video model, a labelled picture cannot be
            read, or no labelled pixel is left.
    """
    classes, skips = len(support.names), skips or Skips()
    share = class_share(false_alarms, classes)
    tracker, digest = open_tracker(folder), weights_digest(folder)
    side = tracker.side

    examples, memories = [], []
    for sample in support.labelled:
        truth = truth_of(sample, classes)[:classes]
        masks = {k: squeeze_mask(layer, side) for k, layer in enumerate(truth) if layer.any()}
        examples.append(Example(squeeze(sample.image, side), masks))
        memories.append(memories_of(tracker, examples[-1], turns) if masks else {})
        step()
    missing = [name for k, name in enumerate(support.names) if not any(k in example.masks for example in examples)]
    if missing:
        raise KizuError(f"class {missing[0]!r}: none of its labelled pictures has a pixel in its mask; label it again")
    clean: list[Sample] = []
    for sample in support.clean:
        with skips.item(sample.id):
            if sample.image.size:  # reading it tells whether it can be
                clean.append(sample)
    fold_of, clean_fold_of, count = folds(support.labelled, clean)
    order = generator(seed, Stream.SCORER).permutation(len(clean)).tolist()
    # By fold, those of it left out; under -1 the ones that the inspector remembers.
    good = {fold: [i for i in order if clean_fold_of[i] != fold][:GOOD] for fold in range(-1, count)}
    nothing = {k: np.zeros((side, side), bool) for k in range(classes)}
    blank = {i: Example(squeeze(clean[i].image, side), nothing) for i in sorted(set().union(*good.values()))}
    empty = {i: memories_of(tracker, example, turns) for i, example in blank.items()}
    shown = [set(example.masks) for example in examples]

    def judge(fold: int, back: set[int]) -> list[list[Memory]]:
        """Memories of all pictures outside a fold, and of some labelled ones in it."""
        kept = [own for i, own in enumerate(memories) if fold_of[i] != fold or i in back]
        return together([*kept, *(empty[i] for i in good[fold])], classes)

    copied: set[int] = set()
    judges: list[list[list[Memory]]] = []  # by fold, for its good pictures

    def held_out() -> Iterator[Judged]:
        for fold in range(count):
            held = [i for i, f in enumerate(fold_of) if f == fold]
            known = set().union(*(own for own, f in zip(shown, fold_of, strict=True) if f != fold))
            lost = set().union(*(shown[i] for i in held)) - known
            copied.update(lost)
            without, within = judge(fold, set()), judge(fold, {i for i in held if shown[i] & lost})
            judges.append(within)
            for i in held:
                image, truth = support.labelled[i].image, truth_of(support.labelled[i], classes)
                if known:
                    yield odds_of(tracker, image, without), truth, known
                if shown[i] & lost:
                    image, truth = changed_copy(image, truth)
                    yield odds_of(tracker, image, within), truth, shown[i] & lost
                step()

    def clean_maps() -> Iterator[np.ndarray]:
        for sample, fold in zip(clean, clean_fold_of, strict=True):
            yield odds_of(tracker, sample.image, judges[fold])
            step()

    pairs = pairs_of(held_out(), classes, NOWHERE)
    rules, expected = choose_rules(support.labelled, pairs, clean_maps(), share, LEAST)
    kept = [example for example in examples if example.masks] + [blank[i] for i in good[-1]]
    name, frames = Path(folder).resolve().name, sum(len(list(example.views(turns))) for example in kept)
    card = card_of(
        TrackInspector.kind,
        f"SAM2 as a video tracker: {frames} remembered frames ({len(kept) - len(good[-1])} labelled pictures"
        f"{', mirrored too' if turns else ''}, {len(good[-1])} good ones as holding nothing), one object a class; "
        "log odds of mask and presence together; regions with two thresholds",
        {
            "input": f"uint8 RGB, the whole picture resized to {side} x {side}",
            "tiles": f"none: what is finer than a {side}th of a side is lost",
            "weights": f"{name}, SHA-256 {digest}; not part of this file",
        },
        support,
        clean,
        rules,
        expected,
        false_alarms,
        judged_on_copies([support.names[k] for k in sorted(copied)], "were remembered"),
        count,
    )
    ready = tracker, together([*memories, *(empty[i] for i in good[-1])], classes)
    return TrackInspector(card, str(folder), digest, turns, kept, rules, ready), expected


def steps(support: Support) -> int:
    """How often :func:`fit_track` calls ``step``."""
    return 2 * len(support.labelled) + len(support.clean)
