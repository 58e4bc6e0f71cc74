"""Which images a model was fitted from, as its card tells."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError
from kizu.core.sample import Sample

_FITTED = ("support", "clean")  # roles of the card's data records
_DIGITS = 16  # of the SHA-256 of an image file that a record holds


def digest(sample: Sample) -> str:
    """The first 16 hex digits of the SHA-256 of the image's file bytes. Raises DataError where there are none."""
    return hashlib.sha256(sample.image_bytes()).hexdigest()[:_DIGITS]


class Support:
    """The images that a model was fitted from: labelled ones, and clean ones, too.

    Clean images set the thresholds, so a false-alarm rate measured on them would flatter. Two data sets may use the
    same file names, so an image is one of these if its id and its bytes are; where a record has no digests
    (``sha256``, parallel to ``ids``), the id decides alone.
    """

    def __init__(self, predictions: Dataset):
        self._known: dict[str, set[str] | None] = {}  # digests of an id; None = the id decides alone
        for record in (predictions.info.get("card") or {}).get("data", []):
            if record.get("role") not in _FITTED:
                continue
            ids, digests = record.get("ids", []), record.get("sha256")
            if not isinstance(digests, list) or len(digests) != len(ids):
                digests = [None] * len(ids)
            for id, value in zip(map(str, ids), digests, strict=True):
                known = self._known.setdefault(id, set())
                self._known[id] = None if known is None or not value else known | {str(value)}

    def holds(self, id: str, sample: Callable[[], Sample]) -> bool:
        """Whether the model was fitted from this image; ``sample`` is called only where the bytes have to tell.

        An image that cannot be read counts by its id.
        """
        if id not in self._known:
            return False
        digests = self._known[id]
        if digests is None:
            return True
        try:
            return digest(sample()) in digests
        except DataError:
            return True
