"""The few-shot inspector: filters and a network's maps, a scorer fitted in seconds, calibrated rules."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np

from kizu.core.card import Card
from kizu.core.errors import KizuError
from kizu.core.inspector import Inspector
from kizu.core.instances import Instances
from kizu.fewshot.cells import to_pixels
from kizu.fewshot.decoder import Decoder
from kizu.fewshot.features import channels
from kizu.fewshot.matching import Matching
from kizu.fewshot.members import Members
from kizu.fewshot.memory import Memory, memory_of
from kizu.fewshot.mix import Mix
from kizu.fewshot.network import VERSION, network_of
from kizu.fewshot.plain import Plain
from kizu.fewshot.refine import Refiner, refiner_of
from kizu.fewshot.scorer import Scorer
from kizu.fewshot.unknown import Unknown
from kizu.inspection.regions import Rule, decide


def mixed(members: np.ndarray, mixes: list[Mix], size: tuple[int, int]) -> np.ndarray:
    """Member maps (M, C, h, w) mixed and brought to pixels: log odds float32 (C, height, width)."""
    layers = [mix.apply(members[:, k]) for k, mix in enumerate(mixes)]
    return np.stack([to_pixels(layer, size) for layer in layers])


def asked_by(mixes: list[Mix]) -> set[int]:
    """The members that at least one of the mixtures asks."""
    return {m for mix in mixes for m, weight in enumerate(mix.weights) if weight}


class FewShotInspector(Inspector):
    """Finds the defects of one to five labelled pictures in new ones.

    Attributes:
        card: see :class:`kizu.core.card.Card`.
        members: what was fitted to labelled cells.
        mixes, rules: one a class, but for the unknown one.
        refiner: of the outlines of what fires, or None.
        memory: of the examples that it was fitted to, or None.
        unknown: how what is of no class is found, or None where that is not asked for.
    """

    kind: ClassVar[str] = "fewshot"

    def __init__(
        self,
        card: Card,
        members: Members,
        mixes: list[Mix],
        rules: list[Rule],
        refiner: Refiner | None = None,
        memory: Memory | None = None,
        unknown: Unknown | None = None,
    ):
        self.card = card
        self.members = members
        self.mixes = mixes
        self.rules = rules
        self.refiner = refiner
        self.memory = memory
        self.unknown = unknown

    def inspect(self, image: np.ndarray, min_score: float = 0.5) -> tuple[Instances, np.ndarray]:
        """Instances (strongest first) and score maps float32 (C, H, W) of one uint8 (H, W, 3) RGB image."""
        asked, unlike = asked_by(self.mixes), None
        if self.unknown is None:
            members = self.members.maps(image, asked)
        else:
            members, unlike = self.members.look(image, asked)
        odds = mixed(members, self.mixes, image.shape[:2])
        if self.refiner is None and unlike is None:
            return decide(odds, self.rules, min_score)
        found, maps = decide(odds, self.rules, min(min_score, 0.5))
        if self.refiner is not None:
            found, maps = self.refiner(image, odds, self.rules, found, maps)
        if unlike is not None:
            found, maps = self.unknown.beside(found, maps, unlike, min_score)
        return found[found.scores >= min_score], maps

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, settings = self.refiner.state() if self.refiner else ({}, None)
        examples, memory = self.memory.state() if self.memory else ({}, None)
        unknown = {"unknown": self.unknown.state()} if self.unknown else {}
        return self.members.arrays | arrays | examples, unknown | {
            "features": VERSION,
            "network": self.members.network.state()[1],
            "mixes": [asdict(mix) for mix in self.mixes],
            "rules": [asdict(rule) for rule in self.rules],
            "refine": settings,
            "memory": memory,
        }

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any], card: Card) -> FewShotInspector:
        if settings.get("features") != VERSION:
            raise KizuError(
                f"fitted to features {settings.get('features')!r}, and this Kizu makes {VERSION!r}; fit again"
            )
        memory, arrays = memory_of(arrays, settings.get("memory"))
        network = network_of(arrays, settings["network"])
        mixes = [Mix(tuple(mix["weights"]), mix["blur"]) for mix in settings["mixes"]]
        rules = [Rule(**rule) for rule in settings["rules"]]
        refiner, arrays = refiner_of(arrays, settings.get("refine"))
        scorer = Scorer(arrays)
        matching = Matching(arrays)
        unknown = Unknown.from_state(settings["unknown"]) if "unknown" in settings else None
        count, expected = len(card.classes) - (unknown is not None), (2 * len(channels()), network.width)
        if not len(rules) == len(mixes) == scorer.classes == count or matching.channels != expected:
            raise KizuError(
                f"{count} classes, {expected[0]} features of filters and {expected[1]} of the network are expected, "
                "and its parts have others"
            )
        members = Members(scorer, matching, Plain(arrays), Decoder.of_arrays(arrays), network)
        if any(len(mix.weights) != members.count for mix in mixes):
            raise KizuError(f"a mixture of {members.count} members is expected, and it has another")
        return cls(card, members, mixes, rules, refiner, memory, unknown)
