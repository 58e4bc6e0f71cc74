"""Pictures of a support that are there twice, and whether their labels contradict each other."""

from __future__ import annotations

from collections.abc import Sequence

from kizu.core.sample import Sample

_AGREE = 0.3  # intersection over union from which two outlines mean the same


def repeated(names: Sequence[str], samples: Sequence[Sample], digests: Sequence[str]) -> list[str]:
    """A sentence for each labelled picture that is there again, pixel by pixel, with the same labels or with others.

    Args:
        names: the classes; labels beyond them are of other classes.
        samples: labelled and good pictures.
        digests: of their pixels.
    """
    first: dict[str, Sample] = {}
    told = []
    for sample, digest in zip(samples, digests, strict=True):
        other = first.setdefault(digest, sample)
        differing = [] if other is sample else _differing(len(names), other, sample)
        if differing:
            named = ", ".join([*names, "another class"][k] for k in differing)
            told.append(
                f"{other.id} and {sample.id} are the same picture, but differ in where {named} is: both are learned, "
                "and contradict each other. Correct one of them."
            )
        elif other is not sample and len(sample.instances):
            told.append(
                f"{other.id} and {sample.id} are the same picture, with the same labels: together they tell no "
                "more than one."
            )
    return told


def _differing(classes: int, a: Sample, b: Sample) -> list[int]:
    """Labels whose pixels in the two pictures hardly overlap."""
    out = []
    for k in range(classes + 1):
        one, two = (s.instances.masks[s.instances.labels == k].union() if len(s.instances) else None for s in (a, b))
        if one is None and two is None:
            continue
        one = two & False if one is None else one
        two = one & False if two is None else two
        if (one & two).sum() < _AGREE * (one | two).sum():
            out.append(k)
    return out
