"""Making the referring expressions of a picture: true ones, and ones that nothing on it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from kizu.core.errors import DataError
from kizu.core.instances import Instances
from kizu.synth.compose.refer.candidates import Candidates
from kizu.synth.compose.refer.expression import (
    ATTRIBUTE,
    CONTENTS,
    NONE,
    NUMBERS,
    SEVERAL,
    SINGLE,
    SPATIAL,
    Expression,
    number_of,
)
from kizu.synth.compose.refer.grammar import MANY, ONE, Form, content_of, make, nouns_of, say
from kizu.synth.compose.refer.graph import SceneGraph, scene_graph
from kizu.synth.compose.refer.logic import judge
from kizu.synth.compose.refer.reading import parse
from kizu.synth.compose.refer.verdict import members
from kizu.synth.compose.refer.words import ADJECTIVES, BETWEEN, THING, ZONES, noun_of

_OPPOSITE = {"left of": "right of", "above": "below", "in front of": "behind"}
_OPPOSITE |= {b: a for a, b in _OPPOSITE.items()}
_TRIES = 40  # at flipping a part of a description, until nothing is so


def express(
    instances: Instances, names: Sequence[str], image: np.ndarray, random: np.random.Generator, least: int = 9
) -> list[Expression]:
    """Referring expressions of a picture, each of them true of it beyond doubt.

    An expression is kept where it selects exactly its targets when it is executed on the scene graph, and no other
    instance is within the margins (``layout``, ``colour``, ``graph``); its sentence reads back as its form. They are
    dealt over {attribute, spatial, mixed} x {single, several, none}: irreducible descriptions of as many different
    targets as there are, for each content one redundant variant, and, for none, descriptions of the scene with one
    part exchanged, so that nothing is such a thing. No sentence stands twice.

    Of three instances on there are ``least`` (up to nine or so), where they are seen well enough; where a scene leaves
    much open, more of them name nothing. Two instances leave little to name as several, one leaves no several and no
    relation, and an empty picture only what is not there. Fewer come back where even of that nothing is sure: of a heap
    of one class, with most of it hidden, hardly a sentence is beyond doubt.

    Args:
        instances: in painting order; see :func:`kizu.synth.compose.refer.graph.scene_graph`.
        names: class names.
        image: uint8 (H, W, 3) RGB.
        least: how many at least; the redundant variants come on top.
    """
    graph = scene_graph(instances, names, image)
    return _Writer(graph, names, random).write(least)


class _Writer:
    """Chooses among the candidates of a scene, says them, and checks what it has said."""

    def __init__(self, graph: SceneGraph, names: Sequence[str], random: np.random.Generator):
        self.graph, self.names, self.random = graph, tuple(names), random
        self.spoken = nouns_of([noun_of(name) for name in names])
        self.candidates = Candidates(graph, random)
        self.texts: set[str] = set()
        self.out: list[Expression] = []

    def write(self, least: int) -> list[Expression]:
        """All expressions."""
        queues = {cell: self._queue(*cell) for cell in product(CONTENTS, (SINGLE, SEVERAL))}
        cells = list(product(CONTENTS, NUMBERS))
        while cells and len(self.out) < least:
            for content, number in list(cells):
                said = self._nothing(content) if number == NONE else self._next(queues[content, number])
                if not said:
                    cells.remove((content, number))
                if len(self.out) >= least:
                    break
        for content in CONTENTS:
            self._redundant(content)
        return self.out

    def _queue(self, content: str, number: str) -> list[tuple[int, Form]]:
        """Descriptions to take from the end: of every set of targets one first, shorter ones likelier."""
        rounds = []
        for targets, forms in self.candidates.found[content, number].by_targets.items():
            chance = self.random.random(len(forms)).tolist()
            ordered = sorted(zip(forms, chance, strict=True), key=lambda entry: entry[0][0] + 1.2 * entry[1])
            rounds += [(k + 0.9 * chance[k], targets, form) for k, ((_, form), _) in enumerate(ordered[:8])]
        rounds.sort(key=lambda entry: -entry[0])
        return [(targets, form) for _, targets, form in rounds]

    def _next(self, queue: list[tuple[int, Form]]) -> bool:
        while queue:
            targets, form = queue.pop()
            if self._add(form, targets):
                return True
        return False

    def _add(self, form: Form, targets: int) -> bool:
        """Say a form, and keep it if it selects the targets alone and reads back as itself."""
        found = judge(form, self.graph)
        if not found.clear or found.yes != targets:
            return False
        text = say(form, self.spoken, self.random)
        if text in self.texts:
            return False
        try:
            if parse(text, self.names) != form:
                return False
        except DataError:
            return False
        self.texts.add(text)
        chosen = tuple(members(targets))
        self.out.append(Expression(text, chosen, content_of(form), number_of(chosen), form))
        return True

    def _redundant(self, content: str) -> None:
        """One more word for an expression of a content that needs none."""
        positive = [item for item in self.out if item.number != NONE and item.content == content]
        for k in self.random.permutation(len(positive)).tolist():
            number, noun, filters, pick = positive[k].form
            targets = sum(1 << i for i in positive[k].targets)
            said = {item[0] for item in filters}
            free = [key for key, fits in self.candidates.traits if key[0] not in said and not targets & ~fits.yes]
            for j in self.random.permutation(len(free)).tolist():
                if self._add(make(number, noun, [*filters, list(free[j])], pick), targets):
                    return

    # --- what is not there ------------------------------------------------------------------------------------------

    def _nothing(self, content: str) -> bool:
        """One expression of a content with no target."""
        models = [item.form for item in self.out if item.number != NONE and item.content == content]
        for k in range(_TRIES):
            if models and k < 3 * _TRIES // 4:
                form = self._flipped(models[self._below(len(models))])
            else:
                form = self._invented(content)
            if form is not None and content_of(form) == content and self._add(form, 0):
                return True
        return False

    def _below(self, count: int) -> int:
        return int(self.random.random() * count)

    def _flipped(self, form: Form) -> Form | None:
        """A form with one part exchanged: its noun, one of its traits, its zone or its relation."""
        form = _copied(form)
        parts: list[Callable[[], bool]] = [lambda: self._other_noun(form)]
        for item in form[2]:
            parts.append(lambda item=item: self._other_value(item))
        return form if parts[self._below(len(parts))]() else None

    def _other_noun(self, form: Form) -> bool:
        others = [noun for noun in self.spoken if noun not in (form[1], THING)]
        if others:
            form[1] = others[self._below(len(others))]
        return bool(others)

    def _other_value(self, item: list) -> bool:
        name = item[0]
        if name in _OPPOSITE:
            item[0] = _OPPOSITE[name]
            return True
        if name == BETWEEN or name not in ("zone", *ADJECTIVES):
            return False
        values = ZONES if name == "zone" else ADJECTIVES[name]
        if name not in ("zone", "size"):  # those that something can be known of
            values = [value for value in values if (name, value) in self.graph.traits]
        others = [value for value in values if value != item[1]]
        if others:
            item[1] = others[self._below(len(others))]
        return bool(others)

    def _invented(self, content: str) -> Form:
        """A description of anything."""
        nouns = list(self.spoken)
        noun = nouns[self._below(len(nouns))]
        number = (ONE, MANY)[self._below(4) == 0]
        filters: list[list] = []
        if content != SPATIAL:
            values = list(self.graph.traits) or [("colour", value) for value in ADJECTIVES["colour"]]
            filters.append(list(values[self._below(len(values))]))
        if content != ATTRIBUTE:
            zones = list(ZONES)
            filters.append(["zone", zones[self._below(len(zones))]])
        return make(number, noun, filters)


def _copied(form: Form) -> Form:
    return [_copied(item) if isinstance(item, list) else item for item in form]
