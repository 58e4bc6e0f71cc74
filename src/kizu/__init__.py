"""Kizu: find defects on industrial products from zero, one or many labels.

The verbs (``kizu.fit``, ``kizu.predict`` ...) and the nouns (``kizu.Dataset``, ``kizu.Masks`` ...) are loaded when
they are first used, so that ``import kizu`` costs next to nothing.
"""

import importlib

__version__ = "0.1.0"

_NOUNS = {
    "Card": "kizu.core.card",
    "Dataset": "kizu.core.dataset",
    "DefectType": "kizu.lexicon.record",
    "Evaluation": "kizu.evaluation.result",
    "Inspector": "kizu.core.inspector",
    "Instances": "kizu.core.instances",
    "KizuError": "kizu.core.errors",
    "Lexicon": "kizu.lexicon.lexicon",
    "Masks": "kizu.core.masks",
    "Sample": "kizu.core.sample",
}


def __getattr__(name: str):
    from kizu.verbs import VERBS

    if name in VERBS or name in _NOUNS:
        module = importlib.import_module(VERBS.get(name) or _NOUNS[name])
        return getattr(module, name)
    raise AttributeError(f"module 'kizu' has no attribute {name!r}")


def __dir__():
    from kizu.verbs import VERBS

    return sorted([*_NOUNS, *VERBS, "__version__"])
