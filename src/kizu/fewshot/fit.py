"""Fitting: gather cells, fit the scorer, and choose the thresholds on pictures that the scorer has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from kizu.core.card import Card
from kizu.core.errors import KizuError
from kizu.core.inspector import UNKNOWN
from kizu.core.run import Skips, ahead
from kizu.core.sample import Sample
from kizu.fewshot.adapt import Decoders
from kizu.fewshot.cards import card_of, judged_on_copies
from kizu.fewshot.cells import mostly, to_cells
from kizu.fewshot.contradict import repeated
from kizu.fewshot.features import channels
from kizu.fewshot.folds import Fold, judged
from kizu.fewshot.gathered import TREES, WORKERS, Gathered
from kizu.fewshot.holdout import Parting
from kizu.fewshot.inspector import FewShotInspector, asked_by, mixed
from kizu.fewshot.linear import side_by_side
from kizu.fewshot.members import Members
from kizu.fewshot.mix import CANDIDATES, Mix, choose_mix, choose_with_decoder
from kizu.fewshot.network import Network, shipped
from kizu.fewshot.plays import Plays
from kizu.fewshot.refine import Refiner
from kizu.fewshot.support import Support, is_partial
from kizu.fewshot.thresholds import NEVER, outlines_of, pairs_of, rules_of, trust_of
from kizu.fewshot.unknown import Unknown, check_names
from kizu.inspection.calibrate import Expected, class_share
from kizu.inspection.regions import Rule


@side_by_side()
def fit_fewshot(
    support: Support,
    false_alarms: float = 0.05,
    seed: int = 0,
    skips: Skips | None = None,
    step: Callable[[], None] = lambda: None,
    candidates: Sequence[Mix] = CANDIDATES,
    composed: Sequence[Sample] = (),
    refiner: Refiner | None = None,
    adapted: Decoders | None = None,
    network: Network | None = None,
    heard: Callable[[list[list[tuple[np.ndarray, np.ndarray]]]], None] = lambda pairs: None,
    unknown: bool = False,
) -> tuple[FewShotInspector, list[Expected]]:
    """Fit an inspector to a few labelled pictures.

    Thresholds come from pictures that the scorer has not seen: each labelled picture is left out in turn (five folds
    when there are more than five). A class that would vanish with its only picture is parted instead: each half of its
    pixels is judged by a scorer that was fitted to the other half; what is too small for that, on a turned and rescaled
    copy.

    Args:
        support: labelled and good pictures.
        false_alarms: allowed share of good pictures on which the inspector fires, in 0..1; the classes share it evenly.
        seed: of the random choices.
        skips: notes good pictures that cannot be read.
        step: called after each of :func:`steps`.
        candidates: mixtures of the scorer's members to choose among, see :func:`choose_mix`.
        composed: pictures composed of the support, to learn from as well; ``meta["lineage"]`` names the groups (or
            ids) of the pictures in them, so that nothing is judged by what was made of it.
        refiner: of the outlines of what fires; thresholds and expected figures are those without it.
        adapted: networks of :func:`kizu.fewshot.adapt.adapt`, as one more member.
        network: that looks at the pictures; None = the shipped one.
        heard: told the held-out pairs of each class, of :func:`kizu.fewshot.thresholds.pairs_of`.
        unknown: find what is of no class, too, see :mod:`kizu.fewshot.unknown`; what to expect of it comes last.

    Raises:
        KizuError: the network's files are missing or damaged, a labelled picture cannot be read, no labelled pixel is
            left, or what is unknown cannot be told.
    """
    classes = len(support.names)
    if unknown:
        check_names(support.names)
    share = class_share(false_alarms, classes + unknown)
    network = network or shipped()  # one that is missing or damaged is said at once, not of the first picture
    parting = adapted.parting if adapted else Parting.of(support.labelled, support.clean, classes)
    gathered = Gathered(support, parting, composed, network, seed, skips or Skips(), step)
    _check(gathered)
    *folds, members = _fitted(gathered, seed, adapted, unknown, step)
    held_out = [item for fold in folds for item in fold.held_out]
    mixes = _mixes(held_out, [maps for fold in folds for maps in fold.nothing], classes, candidates, bool(adapted))
    pairs = pairs_of(((mixed(m, mixes, t.shape[1:]), t, asked) for m, t, asked in held_out), classes)
    heard(pairs)

    flattered = set().union(*parting.lost)
    trust = trust_of(support.labelled, classes)
    outlines = outlines_of(support.labelled, pairs, trust, flattered=flattered)
    plays = last = None
    if unknown:
        every = [play for fold in folds for play in fold.played]
        ground = [own for fold in folds for own in fold.ground]
        plays = Plays(every, gathered.truths, support.labelled, ground, share)
        outlines, pairs = outlines + plays.outlines, pairs + plays.pairs
        trust += [1.0] * len(plays.outlines)
    rules, expected = rules_of(outlines, pairs, _clean_maps(gathered, folds, mixes, plays, step), share, trust)
    if plays:
        last, item = plays.choose(rules[classes:], expected[classes:])
        rules, expected = rules[:classes], [*expected[:classes], item]
    copied = set().union(*(fold.copied for fold in folds))
    notes = _notes(support.names, flattered, copied) + _in_part(support.labelled) + _repeated(gathered)
    card = _card(gathered, [*rules, last.rule] if last else rules, expected, false_alarms, notes)
    if last:
        _tell_unknown(card, gathered, plays, last)
    if adapted:
        card.architecture += f"; kizu-dense, fine-tuned for {adapted.steps} steps, as one more member"
    if refiner is not None:
        card.architecture += f"; outlines refined by {refiner.source.about}"
        card.threshold_method += " What is expected is told of outlines before they are refined."
    return FewShotInspector(card, members, mixes, rules, refiner, unknown=last), expected


def steps(support: Support, composed: int = 0) -> int:
    """How often :func:`fit_fewshot` calls ``step``."""
    return 2 * (len(support.labelled) + len(support.clean)) + composed + 1


def _check(gathered: Gathered) -> None:
    """Raises KizuError where nothing of a class, or of the ground, was gathered."""
    for k, name in enumerate(gathered.support.names):
        if not any((cells.labels == k + 1).any() for cells in gathered.labelled):
            raise KizuError(f"class {name!r}: none of its labelled pictures has a pixel in its mask; label it again")
    if not any((cells.labels == 0).any() for cells in gathered.labelled + gathered.clean_cells):
        raise KizuError(
            "no ground: the masks cover the labelled pictures whole, or nothing is said of the rest; pass good "
            "pictures with --clean, or draw ground"
        )


def _fitted(
    gathered: Gathered, seed: int, adapted: Decoders | None, unknown: bool, step: Callable[[], None]
) -> list[Fold | Members]:
    """All folds, judged, and at last the members that were fitted to everything; side by side."""

    def whole() -> Members:
        return gathered.members(gathered.all(), adapted.final if adapted else None)

    parting, out = gathered.parting, []
    fits = [*(partial(judged, gathered, fold, seed, adapted, unknown) for fold in range(parting.count)), whole]
    for fold, future in enumerate(ahead(lambda fit: fit(), fits, WORKERS)):
        out.append(future.result())
        for _ in parting.held(fold):
            step()
    step()
    return out


def _mixes(
    held_out: list[tuple[np.ndarray, np.ndarray, set[int]]],
    nothing: list[np.ndarray],
    classes: int,
    candidates: Sequence[Mix],
    adapted: bool,
) -> list[Mix]:
    """The mixture of each class; arguments as the attributes of :class:`kizu.fewshot.folds.Fold`."""
    choose, out = choose_with_decoder if adapted else choose_mix, []
    for k in range(classes):
        own = [_on_cells(m, t, k) for m, t, asked in held_out if k in asked]
        # A mixture that fires on good pictures is no good; they count as much at most.
        own += [(maps[:, k], np.zeros(maps.shape[2:], bool)) for maps in nothing[: len(own)]]
        out.append(choose(own, candidates))
    return out


def _clean_maps(
    gathered: Gathered, folds: list[Fold], mixes: list[Mix], plays: Plays | None, step: Callable[[], None]
) -> Iterator[np.ndarray]:
    """Log odds of the classes on each good picture, by the judge of its fold, and what is unknown there."""

    def maps_of(item: tuple[Sample, int]) -> np.ndarray:
        (sample, fold), asked = item, asked_by(mixes)
        if plays is None:
            return mixed(gathered.maps(folds[fold].judge, sample, asked), mixes, sample.size)
        maps, unlike = gathered.look(folds[fold].judge, sample, asked)
        return np.concatenate([mixed(maps, mixes, sample.size), plays.layers(unlike, sample.size)])

    for future in ahead(maps_of, zip(gathered.clean, gathered.clean_fold_of, strict=True), WORKERS):
        yield future.result()
        step()


def _card(
    gathered: Gathered, rules: list[Rule], expected: list[Expected], false_alarms: float, notes: list[str]
) -> Card:
    """The card; of one rule more than there are classes the last is that of what is unknown."""
    support, network = gathered.support, gathered.network
    if len(rules) > gathered.classes:
        support = replace(support, names=(*support.names, UNKNOWN))
    return card_of(
        "fewshot",
        f"filter bank of {len(channels())} channels at stride 2, twice (raw and against the picture's own "
        f"median), and {network.width} channels of {network.name}; two forests of {TREES} trees and two logistic "
        "regressions, one of them on whitened cells; matching of whitened cells and of plain ones; regions with two "
        "thresholds",
        {
            "input": "uint8 RGB at native size",
            "tiles": "above 1024 px, seamless" if network.border else "above 1024 px; seams may show",
            "weights": "{name}, SHA-256 {sha256}".format(**network.identity),
        },
        support,
        gathered.clean,
        rules,
        expected,
        false_alarms,
        notes,
        gathered.parting.count,
    )


def _tell_unknown(card: Card, gathered: Gathered, plays: Plays, unknown: Unknown) -> None:
    """Say in the card how what is of no class is found."""
    card.architecture += f"; {UNKNOWN}: distance from the ground in whitened space"
    card.threshold_method += f" Those of {UNKNOWN}: each class left out in turn stood for it."
    card.notes.append(plays.note(gathered.support.names, unknown))
    if not gathered.clean:
        card.notes.append(f"Of {UNKNOWN} the ground of the labelled pictures set the alarm, in place of good ones.")


def _repeated(gathered: Gathered) -> list[str]:
    """The notes on pictures that are there twice."""
    told = [sample for sample in gathered.support.labelled if not is_partial(sample)] + gathered.clean
    return repeated(gathered.support.names, told, [gathered.digests[id(sample)] for sample in told])


def _notes(names: tuple[str, ...], lost: set[int], copied: set[int]) -> list[str]:
    """How far the figures of classes can be trusted that one picture shows, or pictures of one group."""
    in_halves = [names[k] for k in sorted(lost - copied)]
    told = (
        f"No other labelled picture shows {', '.join(in_halves)}: each half was judged by what was fitted to the other "
    )
    notes = [f"{told}half, which flatters. Label more."] if in_halves else []
    return notes + judged_on_copies([names[k] for k in sorted(copied)], "the scorer was fitted to")


def _in_part(labelled: list[Sample]) -> list[str]:
    count = sum(map(is_partial, labelled))
    told = f"{count} of {len(labelled)} labelled pictures are labelled in part: only what is drawn on them is judged."
    return [told] if count else []


def _on_cells(maps: np.ndarray, truth: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Member maps (M, h, w) and truth bool (h, w) of one class on the grid of cells, other classes' cells set to
    never."""
    own, other = (to_cells(truth[k]) for k in (label, -1))
    return np.where(other > 0, np.float16(NEVER), maps[:, label]), mostly(own)
