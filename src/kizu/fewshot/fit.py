"""Fitting: gather cells, fit the scorer, and choose the thresholds on pictures that the scorer has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.core.seeds import Stream, generator
from kizu.fewshot.adapt import Decoders
from kizu.fewshot.cards import card_of, judged_on_copies
from kizu.fewshot.cells import balanced, gather, to_cells
from kizu.fewshot.decoder import Decoder
from kizu.fewshot.features import channels
from kizu.fewshot.holdout import Parting, changed_copy, one_half, parted, truth_of
from kizu.fewshot.inspector import FewShotInspector, asked_by, mixed
from kizu.fewshot.members import Members
from kizu.fewshot.mix import CANDIDATES, Mix, choose_mix, choose_with_decoder
from kizu.fewshot.network import Network, shipped
from kizu.fewshot.refine import Refiner
from kizu.fewshot.support import Support
from kizu.fewshot.thresholds import NEVER, choose_rules, pairs_of
from kizu.inspection.calibrate import Expected, class_share

_TREES = 20
_NOTHING = 2  # good pictures of each fold that mixtures are chosen on, too


@dataclass
class _Cells:
    """Labelled cells of one picture; ``label`` 0 is background."""

    rows: np.ndarray  # of the filter bank
    seen: np.ndarray  # of the network
    labels: np.ndarray
    weights: np.ndarray

    def whole(self, classes: int) -> _Cells:
        """With the halves of :func:`kizu.fewshot.holdout.parted` as one."""
        return replace(self, labels=np.where(self.labels > classes, self.labels - classes, self.labels))

    def half(self, classes: int, lost: set[int], which: int) -> _Cells:
        """With one half, the first (0) or the second (1), of each class of ``lost``."""
        kept = ~np.isin(self.labels, [k + 1 + (1 - which) * classes for k in lost])
        return _Cells(*(values[kept] for values in (self.rows, self.seen, self.labels, self.weights))).whole(classes)

    def has_halves(self, classes: int, lost: set[int]) -> bool:
        """Whether each class of ``lost`` has cells in both halves."""
        return {k + 1 + half for k in lost for half in (0, classes)} <= set(self.labels.tolist())


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

    Raises:
        KizuError: the network's files are missing or damaged, a labelled picture cannot be read, or no labelled pixel
            is left.
    """
    classes, skips = len(support.names), skips or Skips()
    known = set(range(classes))
    share = class_share(false_alarms, classes)
    random = generator(seed, Stream.SCORER)
    network = network or shipped()  # one that is missing or damaged is said at once, not of the first picture

    def cells_of(sample: Sample, instances: Instances, labels: int = classes) -> _Cells:
        cells = _Cells(*gather(sample.image, instances, labels, random, network))
        step()
        return cells

    truths = [truth_of(sample, classes) for sample in support.labelled]
    parting = adapted.parting if adapted else Parting.of(support.labelled, support.clean, classes)
    lost, shown = parting.lost, parting.shown
    in_halves = [
        cells_of(sample, parted(truth, mine), 2 * classes)
        for sample, truth, mine in zip(support.labelled, truths, shown, strict=True)
    ]
    labelled = [cells.whole(classes) for cells in in_halves]
    clean: list[Sample] = []
    clean_cells: list[_Cells] = []
    clean_fold_of: list[int] = []
    for sample, fold in zip(support.clean, parting.of_clean, strict=True):
        with skips.item(sample.id):
            clean_cells.append(cells_of(sample, Instances.empty(sample.size)))
            clean.append(sample)
            clean_fold_of.append(fold)

    made = [(cells_of(sample, sample.instances), set(sample.meta["lineage"])) for sample in composed]

    def made_without(held: list[Sample]) -> list[_Cells]:
        away = {sample.group or sample.id for sample in held}
        return [cells for cells, lineage in made if not lineage & away]

    def members_of(parts: list[_Cells], decoder: Decoder | None) -> Members:
        labels = np.concatenate([part.labels for part in parts])
        weights = balanced(labels, np.concatenate([part.weights for part in parts]))
        rows, seen = (np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "seen"))
        return replace(Members.fit(rows, seen, labels, weights, classes, _TREES, seed, network), decoder=decoder)

    missing = [n for k, n in enumerate(support.names) if not any((c.labels == k + 1).any() for c in labelled)]
    if missing:
        raise KizuError(f"class {missing[0]!r}: none of its labelled pictures has a pixel in its mask; label it again")
    if not any((cells.labels == 0).any() for cells in labelled + clean_cells):
        raise KizuError("no ground: the masks cover the labelled pictures whole; pass good pictures with --clean")
    judges: list[Members] = []  # by fold, for its good pictures
    held_out: list[tuple[np.ndarray, np.ndarray, set[int]]] = []  # member maps, truth, the classes judged here
    nothing: list[np.ndarray] = []  # member maps of good pictures
    copied: set[int] = set()
    for fold in range(parting.count):
        held = parting.held(fold)
        rest = [cells for cells, f in zip(labelled, parting.of_labelled, strict=True) if f != fold]
        clean_held = [sample for sample, f in zip(clean, clean_fold_of, strict=True) if f == fold]
        rest += [cells for cells, f in zip(clean_cells, clean_fold_of, strict=True) if f != fold]
        rest += made_without([*(support.labelled[i] for i in held), *clean_held])
        decoder = adapted.judges[fold] if adapted else None
        others = known - lost[fold]
        if others:
            without = members_of(rest, decoder)
            for i in held:
                image = support.labelled[i].image
                held_out.append((without.maps(image).astype(np.float16), truths[i], others))
        showing = [i for i in held if shown[i]]
        if all(in_halves[i].has_halves(classes, shown[i]) for i in showing):
            # A decoder has learned the first halves, and can be judged on the second ones alone.
            for which in (0, 1)[: 1 if adapted else 2] if showing else ():
                halved = [in_halves[i].half(classes, shown[i], which) for i in showing]
                within = members_of([*rest, *halved], decoder)
                for i in showing:
                    maps = within.maps(support.labelled[i].image).astype(np.float16)
                    held_out.append((maps, one_half(truths[i], shown[i], 1 - which), shown[i]))
        else:
            copied |= lost[fold]
            within = members_of([*rest, *(labelled[i] for i in showing)], decoder)
            for i in showing:
                image, truth = changed_copy(support.labelled[i].image, truths[i])
                held_out.append((within.maps(image).astype(np.float16), truth, shown[i]))
        judges.append(within if showing else without)
        nothing += [judges[fold].maps(sample.image).astype(np.float16) for sample in clean_held[:_NOTHING]]
        for _ in held:
            step()
    unseen = [[_on_cells(m, t, k) for m, t, judged in held_out if k in judged] for k in range(classes)]
    for k, own in enumerate(unseen):  # a mixture that fires on good pictures is no good; they count as much at most
        own += [(maps[:, k], np.zeros(maps.shape[2:], bool)) for maps in nothing[: len(own)]]
    mixes = [(choose_with_decoder if adapted else choose_mix)(pairs, candidates) for pairs in unseen]
    pairs = pairs_of(((mixed(m, mixes, t.shape[1:]), t, judged) for m, t, judged in held_out), classes)
    heard(pairs)

    def clean_maps() -> Iterator[np.ndarray]:
        for sample, fold in zip(clean, clean_fold_of, strict=True):
            yield mixed(judges[fold].maps(sample.image, asked_by(mixes)), mixes, sample.size)
            step()

    rules, expected = choose_rules(support.labelled, pairs, clean_maps(), share)
    members = members_of(labelled + clean_cells + made_without([]), adapted.final if adapted else None)
    step()
    card = card_of(
        "fewshot",
        f"filter bank of {len(channels())} channels at stride 2, twice (raw and against the picture's own "
        f"median), and {network.width} channels of {network.name}; two forests of {_TREES} trees and two logistic "
        "regressions, one of them on whitened cells; matching of whitened cells; regions with two thresholds",
        {
            "input": "uint8 RGB at native size",
            "tiles": "above 1024 px, seamless" if network.border else "above 1024 px; seams may show",
            "weights": "{name}, SHA-256 {sha256}".format(**network.identity),
        },
        support,
        clean,
        rules,
        expected,
        false_alarms,
        _notes(support.names, set().union(*lost), copied),
    )
    if adapted:
        card.architecture += f"; kizu-dense, fine-tuned for {adapted.steps} steps, as one more member"
    if refiner is not None:
        card.notes.append(f"Outlines are refined by {refiner.source.about}; the outline IoU is that before it.")
    return FewShotInspector(card, members, mixes, rules, refiner), expected


def steps(support: Support, composed: int = 0) -> int:
    """How often :func:`fit_fewshot` calls ``step``."""
    return 2 * (len(support.labelled) + len(support.clean)) + composed + 1


def _notes(names: tuple[str, ...], lost: set[int], copied: set[int]) -> list[str]:
    """How far the figures of classes can be trusted that one picture shows, or pictures of one group."""
    in_halves = [names[k] for k in sorted(lost - copied)]
    told = (
        f"No other labelled picture shows {', '.join(in_halves)}: each half was judged by what was fitted to the other "
    )
    notes = [f"{told}half, which flatters. Label more."] if in_halves else []
    return notes + judged_on_copies([names[k] for k in sorted(copied)], "the scorer was fitted to")


def _on_cells(maps: np.ndarray, truth: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Member maps (M, h, w) and truth bool (h, w) of one class on the grid of cells, other classes' cells set to
    never."""
    own, other = (to_cells(truth[k]) for k in (label, -1))
    return np.where(other > 0, np.float16(NEVER), maps[:, label]), own >= min(0.5, max(float(own.max()), 1e-6))
