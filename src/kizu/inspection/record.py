"""The pictures an inspector is fitted from: whether they can be used, and what its card says of them."""

from __future__ import annotations

from typing import Any

from kizu.core.errors import DataError
from kizu.core.sample import Sample
from kizu.evaluation.support import digest


def check_labelled(sample: Sample) -> None:
    """Raise DataError unless the picture can be read and its masks, where there are any, are of its size."""
    shape, masks = sample.image.shape[:2], sample.instances.masks
    if masks is not None and shape != masks.size:
        raise DataError(
            f"{sample.id}: the picture is {shape[0]} x {shape[1]} pixels, its masks are {masks.size[0]} x "
            f"{masks.size[1]}; label it again, or put the picture back that was labelled"
        )


def data_record(name: str, role: str, samples: list[Sample]) -> dict[str, Any]:
    """One record of a card's ``data``; digests tell these pictures from others of the same name.

    Args:
        name: what they are, in words.
        role: ``support`` or ``clean``: an evaluation leaves both out (:class:`kizu.evaluation.support.Support`).
    """
    digests = [digest(sample) for sample in samples]
    record = {"name": name, "role": role, "images": len(samples), "ids": [s.id for s in samples], "sha256": digests}
    sources = sorted({s.source for s in samples if s.source})
    return record | ({"source": sources} if sources else {})
