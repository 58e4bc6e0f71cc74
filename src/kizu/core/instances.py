"""``Instances``: everything known of the objects on one image, validated at birth and sliceable like an array."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from kizu.core.errors import DataError, optional
from kizu.core.masks import Masks


def column(values: Any) -> np.ndarray:
    """Values as an array whose ``tolist`` gives them back (NumPy alone turns the list 1, "a" into two texts)."""
    if isinstance(values, np.ndarray):
        return values
    values = list(values)
    kinds = {type(value) for value in values}
    with contextlib.suppress(ValueError):  # lists of different lengths
        out = np.asarray(values)
        plain = out.dtype.kind in "iufb" and (bool not in kinds or len(kinds) == 1)
        if out.dtype.kind == "f":  # whole numbers beyond 2**53 would be rounded
            plain &= all(a == b for a, b in zip(out.tolist(), values, strict=True) if type(b) is int)
        if plain or (out.dtype.kind == "U" and kinds == {str} and out.tolist() == values):
            return out
    out = np.empty(len(values), object)
    for i, value in enumerate(values):
        out[i] = value
    return out


def _numbers(values: Any, dtype: type, field: str) -> np.ndarray:
    """Numbers as ``dtype``; never cut, wrapped or guessed."""
    try:
        given = np.asarray(values)
        with np.errstate(all="ignore"):  # what does not fit is told below
            out = given.astype(dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{field}: not an array of numbers ({error})") from error
    if given.size and (given.dtype.kind not in "iufb" or (out.dtype.kind == "i" and not np.array_equal(out, given))):
        kind = "numbers" if np.dtype(dtype).kind == "f" else "whole numbers of 32 bits"
        raise DataError(f"{field}: {kind} are needed, not {given.ravel()[:3].tolist()} ({given.dtype})")
    return out


def _join_columns(columns: list[np.ndarray]) -> np.ndarray:
    kinds = {(values.dtype.kind, values.shape[1:]) for values in columns if len(values)}
    if len(kinds) == 1 and kinds != {("O", ())}:
        return np.concatenate([values for values in columns if len(values)])
    return column([value for values in columns for value in values.tolist()])


class Instances:
    """N objects of one image: truth, synthetic truth and predictions alike.

    Attributes:
        boxes: float32 (N, 4), XYXY in pixels, ends exclusive.
        labels: int32 (N,), indices into the data set's names.
        scores: float32 (N,) in 0..1, or None for truth.
        masks: visible masks, or None where only boxes are known.
        amodal: whole masks, hidden parts included, or None.
        parents: int32 (N,), index of the instance that this one lies on, -1 = none.
        attributes: name -> array of length N.
    """

    __slots__ = ("amodal", "attributes", "boxes", "labels", "masks", "parents", "scores")

    def __init__(
        self,
        labels: Sequence[int] | np.ndarray,
        boxes: np.ndarray | None = None,
        masks: Masks | None = None,
        scores: np.ndarray | None = None,
        amodal: Masks | None = None,
        parents: np.ndarray | None = None,
        attributes: dict[str, Any] | None = None,
    ):
        """
        Raises:
            DataError: fields of different lengths, boxes that are not finite or end before they start, labels that are
                negative or not whole, masks of two frame sizes, a parent that is not there; or neither boxes nor masks.
        """
        self.labels = _numbers(labels, np.int32, "labels").reshape(-1)
        count = len(self.labels)
        if boxes is None:
            if masks is None and count:
                raise DataError("instances need boxes or masks; pass one of them")
            boxes = masks.boxes if masks is not None else np.zeros((0, 4))
        self.boxes = _numbers(boxes, np.float32, "boxes")
        if self.boxes.size % 4 or (self.boxes.ndim > 1 and self.boxes.size and self.boxes.shape[1:] != (4,)):
            raise DataError(f"boxes of shape {self.boxes.shape}; they are (N, 4), XYXY")
        self.boxes = self.boxes.reshape(-1, 4)
        self.masks = masks
        self.amodal = amodal
        self.scores = None if scores is None else _numbers(scores, np.float32, "scores").reshape(-1)
        self.parents = np.full(count, -1, np.int32)
        if parents is not None:
            self.parents = _numbers(parents, np.int32, "parents").reshape(-1)
        self.attributes = {name: column(values) for name, values in (attributes or {}).items()}
        self._validate(count)

    def _validate(self, count: int) -> None:
        fields = {"boxes": self.boxes, "masks": self.masks, "scores": self.scores, "amodal": self.amodal}
        fields |= {"parents": self.parents} | {f"attribute {name!r}": v for name, v in self.attributes.items()}
        for name, value in fields.items():
            if value is not None and len(value) != count:
                raise DataError(f"{count} labels but {len(value)} {name}; every field has one entry an instance")
        if count == 0:
            return
        wrong = ~np.isfinite(self.boxes).all(1) | (self.boxes[:, 2:] < self.boxes[:, :2]).any(1)
        if wrong.any():
            i = int(np.argmax(wrong))
            raise DataError(f"instance {i}: box {self.boxes[i].tolist()} is not finite or ends before it starts (XYXY)")
        if (self.labels < 0).any():
            raise DataError(f"instance {int(np.argmax(self.labels < 0))}: label {self.labels.min()} is negative")
        if self.scores is not None and not np.isfinite(self.scores).all():
            raise DataError(f"instance {int(np.argmin(np.isfinite(self.scores)))}: its score is not a finite number")
        if (self.parents < -1).any() or (self.parents >= count).any():
            raise DataError(f"parents {self.parents.tolist()} name instances that are not there; -1 is none")
        if self.masks is not None and self.amodal is not None and self.masks.size != self.amodal.size:
            raise DataError(f"masks of frame {self.masks.size} but amodal masks of frame {self.amodal.size}")

    @classmethod
    def empty(cls, size: tuple[int, int] | None = None, scores: bool = False) -> Instances:
        """No instances; with ``size`` = (height, width) there are (no) masks, with ``scores`` (no) scores."""
        masks = None if size is None else Masks.empty(size)
        return cls(np.zeros(0), np.zeros((0, 4)), masks, scores=np.zeros(0) if scores else None)

    @classmethod
    def concat(cls, parts: Sequence[Instances]) -> Instances:
        """All instances of several parts of one image, in order; a field stays only where every part has it.

        Raises:
            DataError: no part, or masks of different frame sizes.
        """
        if not parts:
            raise DataError("nothing to join; pass at least one Instances")
        offsets = np.cumsum([0] + [len(part) for part in parts[:-1]])
        names = set.intersection(*(set(part.attributes) for part in parts))

        def join(field: str):
            values = [getattr(part, field) for part in parts]
            if any(value is None for value in values):
                return None
            return Masks.concat(values) if isinstance(values[0], Masks) else np.concatenate(values)

        return cls(
            join("labels"), join("boxes"), join("masks"), join("scores"), join("amodal"),
            np.concatenate([np.where(p.parents < 0, -1, p.parents + o) for p, o in zip(parts, offsets, strict=True)]),
            {name: _join_columns([part.attributes[name] for part in parts]) for name in sorted(names)},
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        fields = [f for f in ("masks", "scores", "amodal") if getattr(self, f) is not None] + list(self.attributes)
        return f"Instances({len(self)}{', ' if fields else ''}{', '.join(fields)})"

    def __getitem__(self, key: int | slice | np.ndarray | Sequence) -> Instances:
        """The chosen instances, by int, slice, bool or index array. A parent that was not chosen becomes -1."""
        chosen = np.atleast_1d(np.arange(len(self))[key])
        place = np.full(len(self) + 1, -1, np.int32)  # the last entry serves parent -1
        place[chosen] = np.arange(len(chosen))

        def take(value):
            return None if value is None else value[chosen]

        return Instances(
            self.labels[chosen], self.boxes[chosen], take(self.masks), take(self.scores), take(self.amodal),
            place[self.parents[chosen]], {name: values[chosen] for name, values in self.attributes.items()},
        )  # fmt: skip

    def replace(self, **fields) -> Instances:
        """A copy with some fields exchanged, validated again."""
        now = {name: getattr(self, name) for name in self.__slots__}
        return Instances(**(now | fields))

    def to_supervision(self):
        """As ``supervision.Detections`` (xyxy, mask, confidence, class_id, attributes as data).

        Raises:
            KizuError: supervision is not installed.
        """
        supervision = optional("supervision", "supervision")
        masks = None
        if self.masks is not None:
            masks = np.zeros((len(self), *self.masks.size), bool)
            for i in range(len(self)):
                masks[i] = self.masks.dense(i)
        return supervision.Detections(
            xyxy=self.boxes.copy(),
            mask=masks,
            confidence=None if self.scores is None else self.scores.copy(),
            class_id=self.labels.astype(int),
            data={name: values.copy() for name, values in self.attributes.items()},
        )
