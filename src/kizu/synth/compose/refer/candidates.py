"""Descriptions that a scene allows: all short ones are tried, and those are kept that are sure and say no word in vain.

A description is irreducible where no part of it can be left out: without it, it would name others, or not be sure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from kizu.synth.compose.refer.expression import CONTENTS, SEVERAL, SINGLE
from kizu.synth.compose.refer.grammar import MANY, ONE, Form, content_of, make
from kizu.synth.compose.refer.graph import SceneGraph
from kizu.synth.compose.refer.logic import closest, first, kind_of, ranks
from kizu.synth.compose.refer.verdict import Verdict, both
from kizu.synth.compose.refer.words import BETWEEN, FIRST, THING

_KINDS, _TRAITS, _CONTEXTS, _LANDMARKS, _PAIRS = 6, 16, 12, 8, 6  # at most so many of each are tried
_ORDINALS = 5  # the last place that has a word


@dataclass
class Found:
    """Descriptions of one content and number: of each set of targets, (length, form)."""

    by_targets: dict[int, list[tuple[float, Form]]] = field(default_factory=dict)

    def add(self, targets: int, length: float, form: Form) -> None:
        """Keep one more."""
        self.by_targets.setdefault(targets, []).append((length, form))


@dataclass(frozen=True)
class _Context:
    """A noun with adjectives, and who it fits."""

    noun: str
    filters: list[list]
    fits: Verdict


class Candidates:
    """All irreducible descriptions of a scene.

    Attributes:
        found: (content, number) -> descriptions, for single and several.
        traits: the adjectives that fit somebody: ((attribute, value), who).
        nouns: nouns in use, the one for anything last.
    """

    def __init__(self, graph: SceneGraph, random: np.random.Generator):
        self.graph, self.random = graph, random
        self.found = {(content, number): Found() for content in CONTENTS for number in (SINGLE, SEVERAL)}
        kinds = [noun for noun, fits in graph.kinds.items() if fits.yes]
        self.nouns = self._some(kinds, _KINDS)
        if THING not in graph.kinds and not (len(kinds) == 1 and graph.kinds[kinds[0]].yes == graph.sure):
            self.nouns.append(THING)  # where all are of one class, its noun does as well
        self.traits = self._some([item for item in graph.traits.items() if item[1].yes], _TRAITS)
        if not graph.sure:
            return
        self._landmarks: dict[int, tuple[float, Form]] = {}
        described = [self._looks(noun) for noun in self.nouns]
        plain = [contexts[0] for contexts in described]
        mixed = self._some([context for contexts in described for context in contexts[1:]], _CONTEXTS)
        self._marks = self._some(list(self._landmarks.items()), _LANDMARKS)
        self._spots = self._all_spots()
        placed = {context.noun: self._places(context) for context in plain}
        for context in mixed:
            self._places(context, placed[context.noun])

    def _some(self, items: list, most: int) -> list:
        """All, or ``most`` of them by chance, in their order."""
        if len(items) <= most:
            return items
        return [items[k] for k in sorted(self.random.permutation(len(items))[:most].tolist())]

    def _keep(self, context: _Context, extra: list[list], pick: list, fits: Verdict, length: float) -> None:
        """Keep a description that is sure and names somebody."""
        if fits.yes != fits.maybe or not fits.yes:
            return
        several = fits.yes & (fits.yes - 1)
        if several and context.noun == THING and not extra and not context.filters:
            return  # "the things" tells nothing
        form = make(MANY if several else ONE, context.noun, context.filters + extra, pick)
        length += 0.5 * (context.noun == THING)
        self.found[content_of(form), SEVERAL if several else SINGLE].add(fits.yes, length, form)
        if not several and not extra and (not pick or pick[0] in ("largest", "smallest")):
            at = fits.yes.bit_length() - 1
            length += 0.2 * self.random.random()
            if at not in self._landmarks or length < self._landmarks[at][0]:
                self._landmarks[at] = length, form

    def _looks(self, noun: str) -> list[_Context]:
        """Descriptions by looks alone; the contexts of descriptions by place: the noun, and the noun with one trait."""
        kind = kind_of(noun, self.graph)
        plain = _Context(noun, [], kind)
        self._keep(plain, [], [], kind, 0)
        traits = [([name, value], both(kind, fits)) for (name, value), fits in self.traits]
        traits += [(["size", value], both(kind, self.graph.sized(kind, value))) for value in ("large", "small")]
        # What fits all of the kind tells nothing.
        traits = [(item, fits) for item, fits in traits if fits.yes and fits != kind]
        sure = {kind} if kind.clear else set()
        for item, fits in traits:
            self._keep(plain, [item], [], fits, 1)
        for k, (one, fits) in enumerate(traits):
            for two, others in traits[:k]:
                yes = fits.yes & others.yes
                if not yes or yes != fits.maybe & others.maybe:
                    continue
                joint = Verdict(yes, yes)
                if joint not in (fits, others) and joint not in sure:
                    self._keep(plain, [one, two], [], joint, 2)
        contexts = [plain, *(_Context(noun, [item], fits) for item, fits in traits)]
        for context in contexts:
            if context.fits.yes & (context.fits.yes - 1) and [name for name, _ in context.filters] != ["size"]:
                for most in ("largest", "smallest"):
                    best = first(context.fits, self.graph.orders[most])
                    if context is plain or best != first(kind, self.graph.orders[most]):
                        self._keep(context, [], [most], best, 1 + len(context.filters))
        return contexts

    def _places(self, context: _Context, plain: dict[str, Verdict] | None = None) -> dict[str, Verdict]:
        """Descriptions by place; ``plain`` are those of the noun alone, which must not do as well.

        Returns:
            Whom each place names, by its key.
        """
        names: dict[str, Verdict] = {}
        length = 1 + len(context.filters)
        whole = context.fits
        for key, extra, pick, fits, more in self._placed(whole):
            names[key] = fits
            if fits == whole or (plain is not None and plain.get(key) == fits):
                continue
            self._keep(context, extra, pick, fits, length + more)
        return names

    def _all_spots(self) -> list[tuple[str, list, Verdict, float]]:
        """(key, filter, who, length) of the zones, relations and lines between two that have somebody."""
        graph = self.graph
        out = [(zone, ["zone", zone], fits, 0.0) for zone, fits in graph.zones.items()]
        for at, (words, landmark) in self._marks:
            others = ~(1 << at)
            for relation, rows in graph.relations.items():
                yes, maybe = rows[at]
                out.append((f"{relation} {at}", [relation, landmark], Verdict(yes & others, maybe & others), words))
        pairs = [(one, two) for k, two in enumerate(self._marks) for one in self._marks[:k]]
        for (at, (words, one)), (to, (more, two)) in self._some(pairs, _PAIRS):
            fits = graph.between(at, to)
            out.append((f"between {at} {to}", [BETWEEN, one, two], fits, 0.5 + words + more))
        return [spot for spot in out if spot[2].yes]

    def _placed(self, whole: Verdict) -> Iterator[tuple[str, list, list, Verdict, float]]:
        """(key, filters, pick, who, length) of each place that the grammar has and that one of ``whole`` takes."""
        for key, extra, fits, words in self._spots:
            if fits[0] & whole[0]:
                yield key, [extra], [], both(whole, fits), words
        several = whole.yes.bit_count()
        if several > 1:
            for side, most in FIRST.items():
                for place, fits in ranks(whole, self.graph.orders[side], _ORDINALS).items():
                    if place == 1:
                        yield most, [], [most], fits, 0
                    elif place < several:
                        yield f"{side} {place}", [], ["order", place, side], fits, 0.4 * place
        for at, (words, landmark) in self._marks:
            if (whole.yes & ~(1 << at)).bit_count() > 1:
                yield f"nearest {at}", [], ["nearest", landmark], closest(whole, at, self.graph), words
