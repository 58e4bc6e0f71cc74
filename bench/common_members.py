"""Parts of the few-shot scorer that benchmarks measure alone, as the mixtures that a fit may choose among."""

from __future__ import annotations

from kizu.fewshot.mix import CANDIDATES, Mix

_BLURS = (0.0, 1.0, 2.0)
_FILTERS = ((1 / 3, 1 / 3, 1 / 3, 0.0, 0.0, 0.0), (0.0, 0.5, 0.5, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0, 0.0, 0.0))
_HEADS = ((1 / 4, 1 / 4, 1 / 4, 1 / 4, 0.0, 0.0), *_FILTERS, (0.0, 0.0, 0.0, 1.0, 0.0, 0.0))
MEMBERS = {
    "all": CANDIDATES,
    "filters": [Mix(weights, blur) for blur in _BLURS for weights in _FILTERS],
    "heads": [Mix(weights, blur) for blur in _BLURS for weights in _HEADS],
    "net": [Mix((0.0, 0.0, 0.0, 1.0, 0.0, 0.0), blur) for blur in _BLURS],
    "matching": [Mix((0.0, 0.0, 0.0, 0.0, 1.0, 0.0), blur) for blur in _BLURS],
    "plain": [Mix((0.0, 0.0, 0.0, 0.0, 0.0, 1.0), blur) for blur in _BLURS],
}
