"""Fitting: gather cells, fit the scorer, and choose the thresholds on pictures that the scorer has not seen."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count

import numpy as np

from kizu.core.errors import KizuError
from kizu.core.inspector import UNKNOWN
from kizu.core.instances import Instances
from kizu.core.run import Skips, ahead
from kizu.core.sample import Sample
from kizu.core.seeds import Stream, generator
from kizu.fewshot.adapt import Decoders
from kizu.fewshot.cards import card_of, judged_on_copies
from kizu.fewshot.cells import balanced, gather, to_cells
from kizu.fewshot.contradict import contradictions
from kizu.fewshot.decoder import Decoder
from kizu.fewshot.features import channels
from kizu.fewshot.holdout import Parting, changed_copy, one_half, parted, truth_of
from kizu.fewshot.inspector import FewShotInspector, asked_by, mixed
from kizu.fewshot.linear import side_by_side
from kizu.fewshot.matching import Matching
from kizu.fewshot.members import Members
from kizu.fewshot.mix import CANDIDATES, Mix, choose_mix, choose_with_decoder
from kizu.fewshot.network import Network, shipped
from kizu.fewshot.plays import Played, Plays
from kizu.fewshot.refine import Refiner
from kizu.fewshot.support import Support, is_partial
from kizu.fewshot.thresholds import NEVER, outlines_of, pairs_of, rules_of, trust_of
from kizu.fewshot.unknown import check_names
from kizu.fewshot.views import Kept
from kizu.inspection.calibrate import Expected, class_share

_TREES = 20
_NOTHING = 2  # good pictures of each fold that mixtures are chosen on, too


@dataclass
class _Fold:
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
        return self.without({k + (1 - which) * classes for k in lost}).whole(classes)

    def without(self, lost: set[int]) -> _Cells:
        """Without the cells of classes."""
        kept = ~np.isin(self.labels, [k + 1 for k in lost])
        return _Cells(*(values[kept] for values in (self.rows, self.seen, self.labels, self.weights)))

    def has_halves(self, classes: int, lost: set[int]) -> bool:
        """Whether each class of ``lost`` has cells in both halves."""
        return {k + 1 + half for k in lost for half in (0, classes)} <= set(self.labels.tolist())


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
    classes, skips = len(support.names), skips or Skips()
    known = set(range(classes))
    if unknown:
        check_names(support.names)
    share = class_share(false_alarms, classes + unknown)
    network = network or shipped()  # one that is missing or damaged is said at once, not of the first picture
    kept = Kept(network)
    digests: dict[int, str] = {}
    workers = os.cpu_count() or 1

    def cells_of(place: int, sample: Sample, instances: Instances, labels: int = classes) -> _Cells:
        random, image = generator(seed, Stream.SCORER, 16 + place), sample.image
        digests[id(sample)] = hashlib.sha256(image.tobytes()).hexdigest()
        return _Cells(*gather(image, instances, labels, random, network, kept(id(sample), image)))

    def all_cells(samples: Sequence[Sample], labelled: Iterable[Instances], labels: int = classes, first: int = 0):
        """Futures of the cells of pictures, in order."""
        items = zip(count(first), samples, labelled)
        for future in ahead(lambda item: cells_of(*item, labels), items, workers):
            yield future
            step()

    def maps_of(members: Members, sample: Sample, asked: set[int] | None = None) -> np.ndarray:
        return members.maps(sample.image, asked, kept(id(sample), sample.image))

    def unlike_of(members: Members, sample: Sample) -> np.ndarray:
        return members.look(sample.image, (), kept(id(sample), sample.image))[1].astype(np.float16)

    truths = [truth_of(sample, classes) for sample in support.labelled]
    parting = adapted.parting if adapted else Parting.of(support.labelled, support.clean, classes)
    lost, shown = parting.lost, parting.shown
    divided = (parted(truth, mine) for truth, mine in zip(truths, shown, strict=True))
    in_halves = [future.result() for future in all_cells(support.labelled, divided, 2 * classes)]
    labelled = [cells.whole(classes) for cells in in_halves]
    clean: list[Sample] = []
    clean_cells: list[_Cells] = []
    clean_fold_of: list[int] = []
    empty = (Instances.empty(sample.size) for sample in support.clean)
    futures = all_cells(support.clean, empty, first=len(truths))
    for sample, fold, future in zip(support.clean, parting.of_clean, futures, strict=True):
        with skips.item(sample.id):
            clean_cells.append(future.result())
            clean.append(sample)
            clean_fold_of.append(fold)

    marked = (sample.instances for sample in composed)
    futures = all_cells(composed, marked, first=len(truths) + len(support.clean))
    made = [(future.result(), set(sample.meta["lineage"])) for sample, future in zip(composed, futures, strict=True)]

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
        raise KizuError(
            "no ground: the masks cover the labelled pictures whole, or nothing is said of the rest; pass good "
            "pictures with --clean, or draw ground"
        )

    def judged(fold: int) -> _Fold:
        held = parting.held(fold)
        rest = [cells for cells, f in zip(labelled, parting.of_labelled, strict=True) if f != fold]
        clean_held = [sample for sample, f in zip(clean, clean_fold_of, strict=True) if f == fold]
        rest += [cells for cells, f in zip(clean_cells, clean_fold_of, strict=True) if f != fold]
        rest += made_without([*(support.labelled[i] for i in held), *clean_held])
        decoder = adapted.judges[fold] if adapted else None
        out = _Fold()
        others = known - lost[fold]
        if others:
            out.judge = members_of(rest, decoder)
            for i in held:
                out.held_out.append((maps_of(out.judge, support.labelled[i]).astype(np.float16), truths[i], others))
        showing = [i for i in held if shown[i]]
        if all(in_halves[i].has_halves(classes, shown[i]) for i in showing):
            # A decoder has learned the first halves, and can be judged on the second ones alone.
            for which in (0, 1)[: 1 if adapted else 2] if showing else ():
                halved = [in_halves[i].half(classes, shown[i], which) for i in showing]
                out.judge = members_of([*rest, *halved], decoder)
                for i in showing:
                    maps = maps_of(out.judge, support.labelled[i]).astype(np.float16)
                    out.held_out.append((maps, one_half(truths[i], shown[i], 1 - which), shown[i]))
        else:
            out.copied = lost[fold]
            out.judge = members_of([*rest, *(labelled[i] for i in showing)], decoder)
            for i in showing:
                image, truth = changed_copy(support.labelled[i].image, truths[i])
                out.held_out.append((out.judge.maps(image).astype(np.float16), truth, shown[i]))
        out.nothing = [maps_of(out.judge, sample).astype(np.float16) for sample in clean_held[:_NOTHING]]
        if unknown:
            out.ground = [unlike_of(out.judge, sample) for sample in clean_held[:_NOTHING]]
            out.played = list(played(out.judge, rest, held))
        return out

    def played(judge: Members, rest: list[_Cells], held: list[int]) -> Iterator[Played]:
        """Each class in turn as one that nobody knows, on the pictures of a fold that show it."""
        for k in range(classes):
            showing = [i for i in held if truths[i][k].any()]
            parts = [part.without({k} if classes > 1 else set()) for part in rest]
            if showing and any((part.labels == 0).any() for part in parts):
                rows, seen, labels = (
                    np.concatenate([getattr(p, n) for p in parts]) for n in ("rows", "seen", "labels")
                )
                weights = np.ones(len(labels))
                matching = Matching.fit(rows, seen, labels, weights, classes, seed, linear=False)
                blind = replace(judge, matching=matching, decoder=None)
                for i in showing:
                    yield Played(k, i, unlike_of(blind, support.labelled[i]))

    def whole() -> Members:
        return members_of(labelled + clean_cells + made_without([]), adapted.final if adapted else None)

    done: list[_Fold | Members] = []
    fits = [*(partial(judged, fold) for fold in range(parting.count)), whole]
    for fold, future in enumerate(ahead(lambda fit: fit(), fits, workers)):
        done.append(future.result())
        for _ in parting.held(fold):
            step()
    step()
    *folds, members = done
    held_out = [item for fold in folds for item in fold.held_out]
    nothing = [maps for fold in folds for maps in fold.nothing]
    copied = set().union(*(fold.copied for fold in folds))
    unseen = [[_on_cells(m, t, k) for m, t, asked in held_out if k in asked] for k in range(classes)]
    for k, own in enumerate(unseen):  # a mixture that fires on good pictures is no good; they count as much at most
        own += [(maps[:, k], np.zeros(maps.shape[2:], bool)) for maps in nothing[: len(own)]]
    mixes = [(choose_with_decoder if adapted else choose_mix)(pairs, candidates) for pairs in unseen]
    pairs = pairs_of(((mixed(m, mixes, t.shape[1:]), t, asked) for m, t, asked in held_out), classes)
    heard(pairs)

    def clean_map(item: tuple[Sample, int]) -> np.ndarray:
        sample, fold = item
        judge, asked = folds[fold].judge, asked_by(mixes)
        if plays is None:
            return mixed(maps_of(judge, sample, asked), mixes, sample.size)
        maps, unlike = judge.look(sample.image, asked, kept(id(sample), sample.image))
        return np.concatenate([mixed(maps, mixes, sample.size), plays.layers(unlike, sample.size)])

    def clean_maps() -> Iterator[np.ndarray]:
        for future in ahead(clean_map, zip(clean, clean_fold_of, strict=True), workers):
            yield future.result()
            step()

    told = [sample for sample in support.labelled if not is_partial(sample)] + clean
    contradicting = contradictions(support.names, told, [digests[id(sample)] for sample in told])
    flattered = set().union(*lost)
    trust = trust_of(support.labelled, classes)
    outlines = outlines_of(support.labelled, pairs, trust, flattered=flattered)
    plays = last = None
    if unknown:
        every = [play for fold in folds for play in fold.played]
        plays = Plays(every, truths, support.labelled, [own for fold in folds for own in fold.ground], share)
        outlines, pairs = outlines + plays.outlines, pairs + plays.pairs
        trust += [1.0] * len(plays.outlines)
    rules, expected = rules_of(outlines, pairs, clean_maps(), share, trust)
    if plays:
        last, item = plays.choose(rules[classes:], expected[classes:])
        rules, expected = rules[:classes], [*expected[:classes], item]
    card = card_of(
        "fewshot",
        f"filter bank of {len(channels())} channels at stride 2, twice (raw and against the picture's own "
        f"median), and {network.width} channels of {network.name}; two forests of {_TREES} trees and two logistic "
        "regressions, one of them on whitened cells; matching of whitened cells and of plain ones; regions with two "
        "thresholds",
        {
            "input": "uint8 RGB at native size",
            "tiles": "above 1024 px, seamless" if network.border else "above 1024 px; seams may show",
            "weights": "{name}, SHA-256 {sha256}".format(**network.identity),
        },
        replace(support, names=(*support.names, UNKNOWN)) if unknown else support,
        clean,
        [*rules, last.rule] if last else rules,
        expected,
        false_alarms,
        _notes(support.names, flattered, copied) + _in_part(support.labelled) + contradicting,
    )
    if last:
        card.architecture += f"; {UNKNOWN}: distance from the ground in whitened space"
        card.threshold_method += f" Those of {UNKNOWN}: each class left out in turn stood for it."
        card.notes.append(plays.note(support.names, last))
        if not clean:
            card.notes.append(f"Of {UNKNOWN} the ground of the labelled pictures set the alarm, in place of good ones.")
    if adapted:
        card.architecture += f"; kizu-dense, fine-tuned for {adapted.steps} steps, as one more member"
    if refiner is not None:
        card.notes.append(f"Outlines are refined by {refiner.source.about}; the outline IoU is that before it.")
    return FewShotInspector(card, members, mixes, rules, refiner, unknown=last), expected


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


def _in_part(labelled: list[Sample]) -> list[str]:
    count = sum(map(is_partial, labelled))
    told = f"{count} of {len(labelled)} labelled pictures are labelled in part: only what is drawn on them is judged."
    return [told] if count else []


def _on_cells(maps: np.ndarray, truth: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Member maps (M, h, w) and truth bool (h, w) of one class on the grid of cells, other classes' cells set to
    never."""
    own, other = (to_cells(truth[k]) for k in (label, -1))
    return np.where(other > 0, np.float16(NEVER), maps[:, label]), own >= min(0.5, max(float(own.max()), 1e-6))
