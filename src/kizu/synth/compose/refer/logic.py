"""Executing a logical form on a scene graph."""

from __future__ import annotations

from kizu.synth.compose.refer.grammar import Form
from kizu.synth.compose.refer.graph import SceneGraph
from kizu.synth.compose.refer.layout import Order
from kizu.synth.compose.refer.verdict import NOBODY, Verdict, both, members
from kizu.synth.compose.refer.words import ADJECTIVES, BETWEEN, FIRST, THING

SIDES = {most: side for side, most in FIRST.items()} | {"largest": "largest", "smallest": "smallest"}


def evaluate(form: Form, graph: SceneGraph) -> set[int] | None:
    """Instances that a form names, none for the empty set; None where the margins leave it open.

    Raises:
        ValueError: not a form of the grammar.
    """
    found = judge(form, graph)
    return set(members(found.yes)) if found.clear else None


def judge(form: Form, graph: SceneGraph) -> Verdict:
    """Of each instance, whether a form names it. Raises ValueError for what is not a form of the grammar."""
    try:
        _, noun, filters, pick = form
        found = kind = kind_of(noun, graph)
        for item in filters:
            found = both(found, _filter(item, kind, graph))
        return _picked(found, pick, graph) if pick else found
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ValueError(f"{form}: not a form of the grammar ({error!r})") from error


def kind_of(noun: str, graph: SceneGraph) -> Verdict:
    """Whose class a noun names; a class called "thing" goes before the noun for anything."""
    if noun in graph.kinds:
        return graph.kinds[noun]
    return Verdict(graph.sure, graph.every) if noun == THING else NOBODY


def ranks(candidates: Verdict, order: Order, last: int) -> dict[int, Verdict]:
    """Who of the candidates is the k-th in an order, k from 1 to ``last``; those k that somebody may be."""
    yes: dict[int, int] = {}
    maybe: dict[int, int] = {}
    sure, near = candidates
    for i in members(near):
        least = (sure & order.sure[i]).bit_count()
        if least >= last:
            continue
        most, own = (near & order.maybe[i]).bit_count(), 1 << i
        for k in range(least + 1, min(most + 1, last) + 1):
            maybe[k] = maybe.get(k, 0) | own
        if least == most and sure & own:
            yes[least + 1] = yes.get(least + 1, 0) | own
    return {k: Verdict(yes.get(k, 0), chosen) for k, chosen in maybe.items()}


def first(candidates: Verdict, order: Order) -> Verdict:
    """Who of the candidates is the first in an order."""
    sure, near = candidates
    yes = maybe = 0
    for i in members(near):
        if not sure & order.sure[i]:
            own = 1 << i
            maybe |= own
            if sure & own and not near & order.maybe[i]:
                yes |= own
    return Verdict(yes, maybe)


def closest(candidates: Verdict, landmark: int, graph: SceneGraph) -> Verdict:
    """Who of the candidates is nearest to a landmark that is not one of them."""
    others = ~(1 << landmark)
    rest = Verdict(candidates.yes & others, candidates.maybe & others)
    return first(rest, graph.nearest(landmark))


def _filter(item: list, kind: Verdict, graph: SceneGraph) -> Verdict:
    name, value = item[0], item[1]
    if name == "size":
        return graph.sized(kind, value)
    if name in ADJECTIVES:
        if value not in ADJECTIVES[name]:
            raise KeyError(value)
        return graph.traits.get((name, value), Verdict(0, graph.every))  # what nobody has looked at may be
    if name == "zone":
        return graph.zones[value]
    landmarks = [_landmark(form, graph) for form in item[1:]]
    if None in landmarks:
        return Verdict(0, graph.every)
    if -1 in landmarks:
        return NOBODY
    if name == BETWEEN:
        return graph.between(*landmarks) if len(set(landmarks)) == 2 else NOBODY
    apart = ~(1 << landmarks[0])
    found = graph.relations[name][landmarks[0]]
    return Verdict(found.yes & apart, found.maybe & apart)


def _landmark(form: Form, graph: SceneGraph) -> int | None:
    """The one that a form names; -1 where there surely is none, None where it is not sure which."""
    found = judge(form, graph)
    if not found.clear or found.yes.bit_count() > 1:
        return None
    return found.yes.bit_length() - 1


def _picked(candidates: Verdict, pick: list, graph: SceneGraph) -> Verdict:
    if pick[0] == "nearest":
        landmark = _landmark(pick[1], graph)
        if landmark is None:
            return Verdict(0, candidates.maybe)
        return NOBODY if landmark < 0 else closest(candidates, landmark, graph)
    if pick[0] == "order":
        return ranks(candidates, graph.orders[pick[2]], pick[1]).get(pick[1], NOBODY)
    return first(candidates, graph.orders[SIDES[pick[0]]])
