"""More examples, or fewer: from those that an inspector remembers and new ones to the support of a fit.

The result is that of a fit to all these pictures at once: :func:`kizu.fewshot.support.ordered` makes their order a
function of the pictures alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kizu.core.errors import KizuError
from kizu.core.inspector import Inspector
from kizu.core.sample import Sample
from kizu.core.seeds import Stream, generator
from kizu.fewshot.inspector import FewShotInspector
from kizu.fewshot.memory import MOST_BYTES
from kizu.fewshot.support import CLASSES, MOST_CLEAN, Support, is_partial, ordered

_ABOUT = ("title", "licence", "origin")  # of data sets: what a card says of them


@dataclass
class Changes:
    """How many examples came, took the place of another, and went."""

    added: int = 0
    replaced: int = 0
    removed: int = 0

    def __str__(self) -> str:
        told = [f"{count} {name}" for name, count in vars(self).items() if count]
        return ", ".join(told) or "none added or removed"


def open_remembering(path: Path | str) -> FewShotInspector:
    """An inspector that remembers its examples, from its file.

    Raises:
        KizuError: it cannot be read, is of another kind, or remembers none.
    """
    inspector = Inspector.load(path)
    if not isinstance(inspector, FewShotInspector):
        raise KizuError(f"{path}: an inspector of kind {inspector.kind!r}; only those of --matcher kizu take --update")
    if inspector.memory is None:
        raise KizuError(
            f"{path}: remembers no examples (they were left out with --no-memory, took more than "
            f"{MOST_BYTES // 10**6} MB, or it was fitted by an earlier Kizu); fit it anew with --memory"
        )
    return inspector


def merged(
    old: Support,
    new: Support | None = None,
    remove: Sequence[str] = (),
    classes: Sequence[str] | None = None,
    strict: bool = False,
    seed: int = 0,
) -> tuple[Support, Changes]:
    """The support of a fit to remembered examples and new ones.

    A new picture takes the place of the remembered one of its id; of a labelled and a good picture of one id, only if
    they are the same picture. What was drawn from a data set once is kept: the numbers of shots and of good pictures
    are those of the new pictures alone, but for the 300 good pictures that a fit takes at most.

    Args:
        old: what is remembered.
        new: what is added.
        remove: ids of remembered examples to take away first.
        classes: to find, in this order; None = those of ``old``, then those that ``new`` adds.
        strict: each of ``classes`` has to be shown.
        seed: draws the good pictures where there are too many.

    Raises:
        KizuError: nothing remembered has an id of ``remove``, a class that nothing shows, or no labelled picture is
            left.
    """
    labelled, clean = ({sample.id: sample for sample in part} for part in (old.labelled, old.clean))
    changes = Changes()
    for id in dict.fromkeys(remove):
        if id not in labelled and id not in clean:
            raise KizuError(f"--remove {id}: no remembered example has this id{_nearest(id, [*labelled, *clean])}")
        changes.removed += sum(part.pop(id, None) is not None for part in (labelled, clean))
    if new is not None:
        before = set(labelled), set(clean)
        for own, other, part in ((labelled, clean, new.labelled), (clean, labelled, new.clean)):
            there, elsewhere = before if own is labelled else before[::-1]
            for sample in part:
                turned = sample.id in elsewhere and sample.id in other and _same(other[sample.id], sample)
                if turned:
                    del other[sample.id]
                changes.replaced += sample.id in there or turned
                changes.added += not (sample.id in there or turned)
                own[sample.id] = sample
    shown = {name for sample in labelled.values() for name in sample.meta[CLASSES] if name is not None}
    wanted = dict.fromkeys(classes if classes is not None else (*old.names, *(new.names if new else ())))
    names = tuple(name for name in wanted if name in shown)
    lost = [name for name in wanted if name not in names] if strict else []
    if lost:
        raise KizuError(f"class {lost[0]!r} has no labelled picture here; label one, or leave the class out")
    kept = [sample for sample in labelled.values() if is_partial(sample) or {*sample.meta[CLASSES]} & {*names}]
    if not names:
        raise KizuError("no labelled picture that shows a class would be left; add one, or remove fewer")
    good = sorted(clean.values(), key=lambda sample: sample.id)
    if len(good) > MOST_CLEAN:
        good = [good[i] for i in generator(seed, Stream.SHOTS, 1).permutation(len(good))[:MOST_CLEAN]]
    return ordered(Support(names, kept, good, len(clean), _together(old.info, new.info if new else {}))), changes


def _nearest(id: str, known: list[str]) -> str:
    near = difflib.get_close_matches(id, known, 3, 0.0)
    return f"; the nearest are {', '.join(near)}" if near else "; there are none left"


def _same(a: Sample, b: Sample) -> bool:
    return np.array_equal(a.image, b.image)


def _together(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """What is known of both data sets; where they differ, title, licence and origin of both."""
    out = new | old
    for key in _ABOUT:
        told = [part for info in (old, new) if info.get(key) for part in str(info[key]).split("; ")]
        if told:
            out[key] = "; ".join(dict.fromkeys(told))
    return out
