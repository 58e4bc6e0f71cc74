"""Fitting: gather cells, fit the scorer, and choose the thresholds on pictures that the scorer has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from kizu import __version__
from kizu.core.card import Card
from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.core.seeds import Stream, generator
from kizu.fewshot.cells import balanced, gather, to_cells
from kizu.fewshot.features import channels
from kizu.fewshot.holdout import changed_copy, folds, lost_classes, truth_of
from kizu.fewshot.inspector import FewShotInspector, member_maps, mixed
from kizu.fewshot.mix import CANDIDATES, Mix, choose_mix
from kizu.fewshot.network import NAME, identity, width
from kizu.fewshot.refine import Refiner
from kizu.fewshot.scorer import Scorer
from kizu.fewshot.support import Support
from kizu.inspection.calibrate import Expected, choose_outline, choose_rule, class_share, needed_clean
from kizu.inspection.record import data_record
from kizu.inspection.regions import Rule

_TREES = 20
_NEVER = np.float16(-30)  # log odds that no threshold reaches


@dataclass
class _Cells:
    """Labelled cells of one picture; ``label`` 0 is background."""

    rows: np.ndarray  # of the filter bank
    seen: np.ndarray  # of the network
    labels: np.ndarray
    weights: np.ndarray


def fit_fewshot(
    support: Support,
    false_alarms: float = 0.05,
    seed: int = 0,
    skips: Skips | None = None,
    step: Callable[[], None] = lambda: None,
    candidates: Sequence[Mix] = CANDIDATES,
    composed: Sequence[Sample] = (),
    refiner: Refiner | None = None,
) -> tuple[FewShotInspector, list[Expected]]:
    """Fit an inspector to a few labelled pictures.

    Thresholds come from pictures that the scorer has not seen: each labelled picture is left out in turn (five folds
    when there are more than five). A class that would vanish with its only picture is judged on a turned and rescaled
    copy instead.

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

    Raises:
        KizuError: the network's files are missing or damaged, a labelled picture cannot be read, or no labelled pixel
            is left.
    """
    classes, skips = len(support.names), skips or Skips()
    known = set(range(classes))
    share = class_share(false_alarms, classes)
    random = generator(seed, Stream.SCORER)
    identity()  # a network that is missing or damaged is said at once, not of the first picture

    def cells_of(sample: Sample, instances: Instances) -> _Cells:
        cells = _Cells(*gather(sample.image, instances, classes, random))
        step()
        return cells

    labelled = [cells_of(sample, sample.instances) for sample in support.labelled]
    clean: list[Sample] = []
    clean_cells: list[_Cells] = []
    for sample in support.clean:
        with skips.item(sample.id):
            clean_cells.append(cells_of(sample, Instances.empty(sample.size)))
            clean.append(sample)

    made = [(cells_of(sample, sample.instances), set(sample.meta["lineage"])) for sample in composed]

    def made_without(held: list[Sample]) -> list[_Cells]:
        away = {sample.group or sample.id for sample in held}
        return [cells for cells, lineage in made if not lineage & away]

    def scorer_of(parts: list[_Cells]) -> Scorer:
        labels = np.concatenate([part.labels for part in parts])
        weights = balanced(labels, np.concatenate([part.weights for part in parts]))
        rows, seen = (np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "seen"))
        return Scorer.fit(rows, seen, labels, weights, classes, _TREES, seed)

    missing = [n for k, n in enumerate(support.names) if not any((c.labels == k + 1).any() for c in labelled)]
    if missing:
        raise KizuError(f"class {missing[0]!r}: none of its labelled pictures has a pixel in its mask; label it again")
    if not any((cells.labels == 0).any() for cells in labelled + clean_cells):
        raise KizuError("no ground: the masks cover the labelled pictures whole; pass good pictures with --clean")
    fold_of, clean_fold_of, count = folds(support.labelled, clean)
    judges: list[Scorer] = []  # by fold, for its good pictures
    held_out: list[tuple[np.ndarray, np.ndarray, set[int]]] = []  # member maps, truth, the classes judged here
    copied: set[int] = set()
    for fold in range(count):
        held = [i for i, f in enumerate(fold_of) if f == fold]
        lost = lost_classes(support.labelled, held, classes)
        copied |= lost
        rest = [cells for cells, f in zip(labelled, fold_of, strict=True) if f != fold]
        ground = [cells for cells, f in zip(clean_cells, clean_fold_of, strict=True) if f != fold]
        shown = {i: lost & set(support.labelled[i].instances.labels.tolist()) for i in held}
        clean_held = [sample for sample, f in zip(clean, clean_fold_of, strict=True) if f == fold]
        ground += made_without([*(support.labelled[i] for i in held), *clean_held])
        without = scorer_of(rest + ground) if rest else None
        within = scorer_of(rest + [labelled[i] for i in held if shown[i]] + ground) if lost else None
        judges.append(within or without)
        for i in held:
            image, truth = support.labelled[i].image, truth_of(support.labelled[i], classes)
            if without is not None:
                held_out.append((member_maps(image, without, classes).astype(np.float16), truth, known - lost))
            if shown[i]:
                image, truth = changed_copy(image, truth)
                held_out.append((member_maps(image, within, classes).astype(np.float16), truth, shown[i]))
            step()
    unseen = [[_on_cells(m, t, k) for m, t, judged in held_out if k in judged] for k in range(classes)]
    mixes = [choose_mix(pairs, candidates) for pairs in unseen]
    pairs: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in range(classes)]
    for members, truth, judged in held_out:
        odds = mixed(members, mixes, truth.shape[1:])
        for k in judged:
            # Pixels of classes that were not asked for are nobody's mistake.
            pairs[k].append((np.where(truth[classes], _NEVER, odds[k]).astype(np.float16), truth[k]))
    outlines = [choose_outline(_areas(support.labelled, k), pairs[k]) for k in range(classes)]
    regions: list[list[list[tuple[float, int]]]] = [[] for _ in range(classes)]
    asked = any(mix.asks_network for mix in mixes)
    for sample, fold in zip(clean, clean_fold_of, strict=True):
        odds = mixed(member_maps(sample.image, judges[fold], classes, asked), mixes, sample.size)
        for k, outline in enumerate(outlines):
            regions[k].append([(strength, int(mask.sum())) for strength, _, mask in outline.regions(odds[k])])
        step()
    chosen = [choose_rule(outlines[k], pairs[k], regions[k], share) for k in range(classes)]
    scorer = scorer_of(labelled + clean_cells + made_without([]))
    step()
    rules, expected = [rule for rule, _ in chosen], [item for _, item in chosen]
    card = _card(support, clean, rules, expected, false_alarms, [support.names[k] for k in sorted(copied)])
    if refiner is not None:
        card.notes.append(f"Outlines are refined by {refiner.source.about}; the outline IoU is that before it.")
    return FewShotInspector(card, scorer, mixes, rules, refiner), expected


def steps(support: Support, composed: int = 0) -> int:
    """How often :func:`fit_fewshot` calls ``step``."""
    return 2 * (len(support.labelled) + len(support.clean)) + composed + 1


def _on_cells(members: np.ndarray, truth: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Member maps (4, h, w) and truth bool (h, w) of one class on the grid of cells, other classes' cells set to
    never."""
    own, other = (to_cells(truth[k]) for k in (label, -1))
    return np.where(other > 0, _NEVER, members[:, label]), own >= min(0.5, max(float(own.max()), 1e-6))


def _areas(samples: list[Sample], label: int) -> list[float]:
    return [
        float(area)
        for sample in samples
        for area, own in zip(sample.instances.masks.area, sample.instances.labels, strict=True)
        if own == label and area > 0
    ]


def _card(
    support: Support,
    clean: list[Sample],
    rules: list[Rule],
    expected: list[Expected],
    false_alarms: float,
    copied: list[str],
) -> Card:
    method = "Left one labelled picture out at a time: outlines by the best pooled IoU"
    notes = []
    if clean:
        method += (
            f"; alarms held to {false_alarms:.1%} of good pictures by {len(clean)} held-out good ones (conformal)."
        )
        if not all(item.promised for item in expected):
            notes.append(
                f"{len(clean)} good pictures are too few to promise {false_alarms:.1%} false alarms "
                f"({needed_clean(false_alarms, len(rules))} would do); the strictest threshold they allow is in force."
            )
    else:
        method += "; no good pictures were given."
        notes.append("Uncalibrated for false alarms: no good pictures were given. Pass some with --clean.")
    if copied:
        notes.append(
            f"No other labelled picture shows {', '.join(copied)}: judged on turned and rescaled copies of pictures "
            "that the scorer was fitted to, which flatters. Label more."
        )
    about = {key: support.info[key] for key in ("title", "licence", "origin") if support.info.get(key)}
    data = [about | data_record("labelled pictures", "support", support.labelled)]
    data += [about | data_record("good pictures", "clean", clean)] if clean else []
    return Card(
        kind="fewshot",
        architecture=f"filter bank of {len(channels())} channels at stride 2, twice (raw and against the picture's own "
        f"median), and {width()} channels of {NAME}; two forests of {_TREES} trees and two logistic regressions; "
        "regions with two thresholds",
        classes=list(support.names),
        preprocessing={
            "input": "uint8 RGB at native size",
            "tiles": "above 1024 px, seamless",
            "weights": "{name}, SHA-256 {sha256}".format(**identity()),
        },
        thresholds={name: round(rule.region, 6) for name, rule in zip(support.names, rules, strict=True)},
        threshold_method=method,
        data=data,
        figures={name: asdict(item) for name, item in zip(support.names, expected, strict=True)},
        notes=notes,
        version=__version__,
    )
