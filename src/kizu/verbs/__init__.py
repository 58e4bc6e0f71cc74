"""The verbs: plain functions, one file each, the same in Python (``kizu.fit``) and on the command line (``kizu fit``).

Their modules import nothing heavy at the top, so that ``kizu --help`` is quick. Each returns a :class:`Done` (or a
subclass) whose text is the last line that the command line prints.

Verbs that belong together stand in a group: ``lexicon_show`` in Python is ``kizu lexicon show`` on the command line, so
that a group may have the name of a package. A verb of no group that would have the name of a package is in ``TYPED``.
A verb may have the name of a group: ``kizu compose OUT`` is ``compose``, and ``kizu compose bank`` is ``compose_bank``.
"""

# Group -> its line of help.
GROUPS = {
    "compose": "Pictures composed of segments of others, with exact labels.",
    "lexicon": "Defect types: what they are called, how they look, and what is read from a sentence.",
    "pretrain": "Weights for backbones, learned from made pictures.",
}

VERBS = {
    "demo": "kizu.verbs.demo",
    "generate": "kizu.verbs.generate",
    "compose": "kizu.verbs.compose",
    "compose_bank": "kizu.verbs.compose_bank",
    "check": "kizu.verbs.check",
    "convert": "kizu.verbs.convert",
    "pretrain_masks": "kizu.verbs.pretrain_masks",
    "fit": "kizu.verbs.fit",
    "predict": "kizu.verbs.predict",
    "evaluate": "kizu.verbs.evaluate",
    "report": "kizu.verbs.report",
    "lexicon_show": "kizu.verbs.lexicon_show",
    "lexicon_read": "kizu.verbs.lexicon_read",
    "list_models": "kizu.verbs.list_models",
}

# Verb -> its name on the command line, where that is another.
TYPED = {"list_models": "models"}


def words(verb: str) -> list[str]:
    """A verb as it is typed: ``lexicon_show`` is ``lexicon show``, ``list_models`` is ``models``."""
    if verb in TYPED:
        return [TYPED[verb]]
    group, _, rest = verb.partition("_")
    return [group, rest.replace("_", "-")] if group in GROUPS and rest else [verb]
