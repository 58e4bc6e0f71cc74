"""Outlines of what fires, refined by regions of the picture; whether something fires, and how strongly, stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.fewshot.regions.overlap import Refinement, disjoint, refine, ring_of
from kizu.fewshot.regions.source import Source, source_class, source_from
from kizu.inspection.regions import Rule, agreeing, stacked

NONE = "none"
USUAL = "edges"
_PREFIX = "refine."
_FIRES = 0.5  # score


class Refiner:
    """Refines what an inspector has decided on a picture.

    Attributes:
        source: where the regions come from.
    """

    def __init__(self, source: Source):
        self.source = source

    def __call__(
        self, image: np.ndarray, odds: np.ndarray, rules: list[Rule], found: Instances, maps: np.ndarray
    ) -> tuple[Instances, np.ndarray]:
        """Instances and maps with outlines refined; costs nothing where nothing fires.

        An instance keeps its score. Those that a region joins are one, with the score of the strongest. No instance
        takes a pixel that another one had, if that fires; candidates that do not fire give theirs up.

        Args:
            image: uint8 (H, W, 3) RGB.
            odds: float32 (C, H, W), log odds of each class.
            rules: one a class.
            found, maps: of :func:`kizu.inspection.regions.decide` for a ``min_score`` of 0.5 at most; the maps are
                changed in place.

        Returns:
            as ``decide``: the map of a class is 0.5 or more exactly where an instance of it fires.
        """
        firing = found[found.scores >= _FIRES]
        if not len(firing):
            return found, maps
        size = maps.shape[1:]
        layers = np.stack([firing.masks[firing.labels == k].union() for k in range(len(rules))])
        margins = odds - np.array([rule.pixel for rule in rules], np.float32)[:, None, None]
        regions = self.source.masks(image, margins, layers)
        taken = layers.any(0)
        parts, ring = [found[found.scores < _FIRES]], ring_of(size)
        for label in np.unique(firing.labels):
            refinement = refine(layers[label], disjoint(regions[label]), ring)
            parts.append(_instances(refinement, firing[firing.labels == label], taken & ~layers[label]))
        out = stacked(Instances.concat(parts))
        return out, agreeing(maps, out[out.scores >= _FIRES], [_FIRES] * len(rules))

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays, by names that begin with ``refine.``, and JSON-able settings for the file of an inspector."""
        arrays, settings = self.source.state()
        return {_PREFIX + key: value for key, value in arrays.items()}, {"source": self.source.name} | settings


def _instances(refinement: Refinement, firing: Instances, others: np.ndarray) -> Instances:
    """Instances of one class from its refined pixels.

    Args:
        firing: the instances of the class before.
        others: bool (H, W), pixels of the other classes, which stay theirs.
    """
    refined = refinement.mask & ~others
    part_of = _parts(refinement.owner, firing.masks)
    score = np.zeros(int(refinement.owner.max()) + 1, np.float32)
    np.maximum.at(score, part_of, firing.scores)
    name = np.arange(len(score))
    for link in refinement.links:
        joined = np.isin(name, name[list(link)])
        name[joined] = name[joined].min()
    raster = np.where(refined, name[refinement.owner], 0).astype(np.int32)
    for link, (mask, (x, y)) in zip(refinement.links, refinement.reach, strict=True):
        window = (slice(y, y + mask.shape[0]), slice(x, x + mask.shape[1]))
        raster[window][mask & refined[window]] = name[min(link)]
    names = np.unique(raster[raster > 0])
    scores = np.array([score[name == n].max() for n in names], np.float32)
    return Instances(np.full(len(names), firing.labels[0]), masks=Masks.from_label_map(raster, names), scores=scores)


def _parts(owner: np.ndarray, masks: Masks) -> np.ndarray:
    """Number of the part in ``owner`` that each mask, not empty, belongs to: int (N,)."""
    out = np.zeros(len(masks), int)
    for i in range(len(masks)):
        mask, (x, y) = masks.crop(i)
        out[i] = owner[y : y + mask.shape[0], x : x + mask.shape[1]][mask][0]
    return out


def refiner_from(name: str | None = None, given: Path | None = None) -> Refiner | None:
    """What ``--refine`` and ``--refine-with`` ask for; None where nothing is to be refined.

    Args:
        name: of the source, ``none``, or None for the usual one.
        given: the file or folder that it takes.

    Raises:
        KizuError: see :func:`kizu.fewshot.regions.source.source_from`.
    """
    if name is None and given is None:
        name = USUAL
    if name not in (None, NONE):
        return Refiner(source_from(name, given))
    if given is not None:
        raise KizuError(f"--refine-with {given} says with what to refine, but not how; add --refine segmenter or sam")
    return None


def refiner_of(
    arrays: dict[str, np.ndarray], settings: dict[str, Any] | None
) -> tuple[Refiner | None, dict[str, np.ndarray]]:
    """The refiner of an inspector's file, and the arrays that are not its own; the inverse of :meth:`Refiner.state`.

    Raises:
        KizuError: an unknown source, or damaged parts.
    """
    rest = {key: value for key, value in arrays.items() if not key.startswith(_PREFIX)}
    if settings is None:
        return None, rest
    own = {key.removeprefix(_PREFIX): value for key, value in arrays.items() if key.startswith(_PREFIX)}
    more = {key: value for key, value in settings.items() if key != "source"}
    return Refiner(source_class(settings["source"]).from_state(own, more)), rest
