"""Fitting: gather cells, fit the scorer, and choose the thresholds on pictures that the scorer has not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import cv2
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
from kizu.fewshot.inspector import FewShotInspector, member_maps, mixed
from kizu.fewshot.mix import choose_mix
from kizu.fewshot.scorer import Scorer
from kizu.fewshot.support import Support, class_share, needed_clean
from kizu.inspection.calibrate import Expected, choose_outline, choose_rule

_TREES = 20
_FOLDS = 5
_NEVER = np.float16(-30)  # log odds that no threshold reaches


@dataclass
class _Cells:
    """Labelled cells of one picture; ``label`` 0 is background."""

    rows: np.ndarray
    labels: np.ndarray
    weights: np.ndarray


def fit_fewshot(
    support: Support,
    false_alarms: float = 0.05,
    seed: int = 0,
    skips: Skips | None = None,
    step: Callable[[], None] = lambda: None,
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

    Raises:
        KizuError: a labelled picture cannot be read, or no labelled pixel is left.
    """
    classes, skips = len(support.names), skips or Skips()
    share = class_share(false_alarms, classes)
    random = generator(seed, Stream.SCORER)

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

    def scorer_of(parts: list[_Cells]) -> Scorer:
        labels = np.concatenate([part.labels for part in parts])
        weights = balanced(labels, np.concatenate([part.weights for part in parts]))
        return Scorer.fit(np.concatenate([part.rows for part in parts]), labels, weights, classes, _TREES, seed)

    missing = [n for k, n in enumerate(support.names) if not any((c.labels == k + 1).any() for c in labelled)]
    if missing:
        raise KizuError(f"class {missing[0]!r}: none of its labelled pictures has a pixel in its mask; label it again")
    if not any((cells.labels == 0).any() for cells in labelled + clean_cells):
        raise KizuError("no ground: the masks cover the labelled pictures whole; pass good pictures with --clean")
    folds = _folds(support.labelled)
    count = max(2, max(folds) + 1)  # two at least, so that good pictures are held out even with one labelled one
    scorers, held_out = [], []
    for fold in range(count):
        held = [i for i, f in enumerate(folds) if f == fold]
        lost = _lost(support.labelled, held, classes)
        kept = [cells for i, cells in enumerate(labelled) if i not in held or i in lost]
        kept += [cells for i, cells in enumerate(clean_cells) if i % count != fold]
        scorers.append(scorer_of(kept))
        for i in held:
            image, truth = _held_out(support.labelled[i], classes, copy=i in lost)
            held_out.append((member_maps(image, scorers[-1], classes).astype(np.float16), truth))
            step()
    mixes = [choose_mix([_on_cells(members, truth, k) for members, truth in held_out]) for k in range(classes)]
    pairs: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in range(classes)]
    for members, truth in held_out:
        odds = mixed(members, mixes, truth.shape[1:])
        for k in range(classes):
            # Pixels of classes that were not asked for are nobody's mistake.
            pairs[k].append((np.where(truth[classes], _NEVER, odds[k]).astype(np.float16), truth[k]))
    outlines = [choose_outline(_areas(support.labelled, k), pairs[k]) for k in range(classes)]
    regions: list[list[list[tuple[float, int]]]] = [[] for _ in range(classes)]
    for i, sample in enumerate(clean):
        odds = mixed(member_maps(sample.image, scorers[i % count], classes), mixes, sample.size)
        for k, outline in enumerate(outlines):
            regions[k].append([(strength, int(mask.sum())) for strength, _, mask in outline.regions(odds[k])])
        step()
    chosen = [choose_rule(outlines[k], pairs[k], regions[k], share) for k in range(classes)]
    scorer = scorer_of(labelled + clean_cells)
    step()
    rules, expected = [rule for rule, _ in chosen], [item for _, item in chosen]
    card = _card(support, clean, rules, expected, false_alarms)
    return FewShotInspector(card, scorer, mixes, rules), expected


def steps(support: Support) -> int:
    """How often :func:`fit_fewshot` calls ``step``."""
    return 2 * (len(support.labelled) + len(support.clean)) + 1


def _folds(samples: list[Sample]) -> list[int]:
    """The fold of each labelled picture; near-duplicates (one ``group``) share a fold."""
    groups: dict[str, int] = {}
    keys = [groups.setdefault(sample.group or f"\0{i}", len(groups)) for i, sample in enumerate(samples)]
    return [key % _FOLDS for key in keys]


def _lost(samples: list[Sample], held: list[int], classes: int) -> set[int]:
    """Held-out pictures whose class no other picture shows; these are judged on a changed copy."""
    rest = set()
    for i, sample in enumerate(samples):
        if i not in held:
            rest |= set(sample.instances.labels.tolist())
    return {i for i in held if (set(samples[i].instances.labels.tolist()) - {classes}) - rest}


def _held_out(sample: Sample, classes: int, copy: bool) -> tuple[np.ndarray, np.ndarray]:
    """The picture and its truth bool (classes + 1, H, W); with ``copy`` turned by 90 degrees and 0.8 times the size."""
    image, found = sample.image, sample.instances
    merged = np.minimum(found.labels, classes)
    truth = np.stack([found.masks[merged == k].union() for k in range(classes + 1)])
    if not copy:
        return image, truth
    size = (max(round(image.shape[0] * 0.8), 1), max(round(image.shape[1] * 0.8), 1))
    turned = np.ascontiguousarray(np.rot90(image))
    small = cv2.resize(turned, size, interpolation=cv2.INTER_AREA)
    layers = [np.ascontiguousarray(np.rot90(layer)).astype(np.float32) for layer in truth]
    layers = [cv2.resize(layer, size, interpolation=cv2.INTER_AREA) for layer in layers]
    return small, np.stack([layer >= min(0.5, max(float(layer.max()), 1e-6)) for layer in layers])


def _on_cells(members: np.ndarray, truth: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Member maps (3, h, w) and truth bool (h, w) of one class on the grid of cells, other classes' cells set to
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


def _card(support: Support, clean: list[Sample], rules: list, expected: list[Expected], false_alarms: float) -> Card:
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
    single = [
        n for k, n in enumerate(support.names) if sum((s.instances.labels == k).any() for s in support.labelled) == 1
    ]
    if single:
        notes.append(
            f"Only one labelled picture of {', '.join(single)}: its threshold comes from a turned and rescaled copy, "
            "which flatters it. Label more."
        )
    data = [{"name": "labelled pictures", "role": "support", "images": len(support.labelled)}]
    data[0] |= {"ids": [s.id for s in support.labelled], "source": sorted({s.source for s in support.labelled})}
    if clean:
        data.append({"name": "good pictures", "role": "clean", "images": len(clean), "ids": [s.id for s in clean]})
    return Card(
        kind="fewshot",
        architecture=f"filter bank of {len(channels())} channels at stride 2, twice (raw and against the picture's own "
        f"median); two forests of {_TREES} trees and a logistic regression; regions with two thresholds",
        classes=list(support.names),
        preprocessing={
            "input": "uint8 RGB at native size",
            "tiles": "above 1024 px, seamless",
            "weights": "none needed",
        },
        thresholds={name: round(rule.region, 6) for name, rule in zip(support.names, rules, strict=True)},
        threshold_method=method,
        data=data,
        figures={name: asdict(item) for name, item in zip(support.names, expected, strict=True)},
        notes=notes,
        version=__version__,
    )
