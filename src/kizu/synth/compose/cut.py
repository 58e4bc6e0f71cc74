"""Cutting: the instances of a picture as segments, each with a margin of context, a soft edge and its own colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from kizu.core.errors import DataError
from kizu.core.instances import Instances
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.synth.compose import kinds as kind_rules
from kizu.synth.compose import matte, quality
from kizu.synth.compose.plain import distance, is_plain
from kizu.synth.compose.segment import DEFECT, Segment
from kizu.synth.contrast import contrasts

MARGIN = 8  # pixels of context around the box at least,
SHARE = 0.25  # and this share of its longer side
LEAST = 4  # pixels of a mask: fewer are a slip of the pen
MADE = "kizu "  # how the source of pictures that Kizu made begins: their masks are exact


def cut(
    sample: Sample,
    names: Sequence[str],
    kind: str = kind_rules.AUTO,
    *,
    kinds: Mapping[str, str] | None = None,
    classes: Iterable[str] | None = None,
    erode: float | None = None,
    skips: Skips | None = None,
) -> list[Segment]:
    """Every instance of a picture that has a mask, as a segment.

    Args:
        names: class names of the labels.
        kind: ``object``, ``defect`` or ``auto``, see :mod:`kizu.synth.compose.kinds`.
        kinds: class name -> kind, before any rule.
        classes: cut these only.
        erode: pixels (0 to 1) that the edge of an object is moved inwards; by default a half, none where Kizu itself
            made the picture.
        skips: where crowds, empty masks, boxes without a mask and labels without a name are noted.

    Raises:
        DataError: the picture or its labels cannot be read, or do not belong together.
    """
    picture = Picture(sample, names, kind_rules.of_classes(names, kind, (), kinds), classes, erode, skips)
    return [picture.segment(i) for i in picture.chosen]


class Picture:
    """A picture, decoded once, and the instances that can be cut out of it.

    Attributes:
        chosen: numbers of those instances.
    """

    def __init__(
        self,
        sample: Sample,
        names: Sequence[str],
        kinds: Mapping[str, str],
        classes: Iterable[str] | None = None,
        erode: float | None = None,
        skips: Skips | None = None,
    ):
        """
        Args:
            kinds: class name -> ``object``, ``defect`` or ``auto``.

        Raises:
            DataError: as :func:`cut`.
        """
        self.sample, self.names, self.kinds, self.erode = sample, names, kinds, erode
        self.image, self.found = sample.image, sample.instances
        masks = self.found.masks
        if masks is not None and len(masks) and masks.size != self.image.shape[:2]:
            raise DataError(
                f"{sample.id}: the labels are of height, width {list(masks.size)}, but the image is "
                f"{list(self.image.shape[:2])}; restore the image that was labelled"
            )
        self.chosen: list[int] = []
        skips, wanted = skips or Skips(), None if classes is None else set(classes)
        for i in range(len(self.found)):
            with skips.item(self.name(i)):
                if reason := _reason(self.found, i, names):
                    raise DataError(f"{self.name(i)}: {reason}")
                if wanted is None or self.label(i) in wanted:
                    self.chosen.append(i)
        self._contrasts: np.ndarray | None = None
        self._grey: np.ndarray | None = None
        self._unlike: tuple[np.ndarray | None] | None = None  # the background has been looked at, and what was found
        self._noise = 0.0

    def name(self, i: int) -> str:
        """Of the segment that instance ``i`` becomes."""
        return f"{self.sample.id}#{i}"

    def label(self, i: int) -> str:
        """Class name of instance ``i``."""
        return self.names[self.found.labels[i]]

    def kind(self, i: int) -> str:
        """``object`` or ``defect``."""
        kind = self.kinds[self.label(i)]
        if kind != kind_rules.AUTO:
            return kind
        if self._unlike is None:
            self._unlike = (distance(self.image) > 1 if is_plain(self.image) else None,)
        return kind_rules.of_instance(self.found, i, self._unlike[0])

    def window(self, i: int) -> tuple[int, int, int, int]:
        """XYXY of what is cut: the box of the mask and its margin, as far as the picture reaches."""
        x0, y0, x1, y1 = self.found.masks.boxes[i].tolist()
        wide = max(MARGIN, int(np.ceil(SHARE * max(x1 - x0, y1 - y0))))
        height, width = self.image.shape[:2]
        return max(x0 - wide, 0), max(y0 - wide, 0), min(x1 + wide, width), min(y1 + wide, height)

    def glance(self, i: int) -> dict[str, Any]:
        """Form, focus and flags of instance ``i`` by its label, before it is cut."""
        mask = self._mask(i)
        return quality.form(mask) | self._figures(i, mask, self.kind(i))

    def segment(self, i: int) -> Segment:
        """Instance ``i``, cut out. Raises DataError where nothing is left of it."""
        sample, (x0, y0, x1, y1) = self.sample, self.window(i)
        kind, mask = self.kind(i), self._mask(i)
        picture = np.ascontiguousarray(self.image[y0:y1, x0:x1])
        alpha = self._alpha(picture, mask, kind)
        whole = alpha >= 0.5
        if np.count_nonzero(whole) < LEAST:
            raise DataError(f"{self.name(i)}: nothing is left of it when its edge is cut; correct its mask")
        colour = matte.own_colour(picture, alpha)
        record = quality.form(whole) | self._figures(i, mask, kind) | quality.light_of(colour, alpha)
        if kind == DEFECT:
            record["contrast"] = round(float(self._contrast(i)), 3)
        if self.found.scores is not None:
            record["score"] = round(float(self.found.scores[i]), 5)
        record["attributes"] = {name: values[i : i + 1].tolist()[0] for name, values in self.found.attributes.items()}
        return Segment(
            self.name(i), self.label(i), kind, colour, alpha, sample.id, sample.group or sample.id, sample.split,
            (x0, y0), self.image.shape[:2], record,
        )  # fmt: skip

    def _alpha(self, picture: np.ndarray, mask: np.ndarray, kind: str) -> np.ndarray:
        if kind == DEFECT:
            return matte.stepped(matte.antialiased(mask))
        erode = self.erode
        if erode is None:
            erode = 0.0 if self.sample.source.startswith(MADE) else matte.EROSION
        alpha = matte.refined(matte.to_linear(picture), mask)
        return matte.stepped(matte.without_crumbs(matte.eroded(alpha, erode)))

    def _mask(self, i: int) -> np.ndarray:
        """The label of instance ``i``, bool, in its window."""
        x0, y0, x1, y1 = self.window(i)
        crop, (x, y) = self.found.masks.crop(i)
        out = np.zeros((y1 - y0, x1 - x0), bool)
        out[y - y0 : y - y0 + crop.shape[0], x - x0 : x - x0 + crop.shape[1]] = crop
        return out

    def _figures(self, i: int, mask: np.ndarray, kind: str) -> dict[str, Any]:
        """Focus and flags, by the label's mask."""
        x0, y0, x1, y1 = self.window(i)
        if self._grey is None:
            self._grey = cv2.cvtColor(np.ascontiguousarray(self.image), cv2.COLOR_RGB2GRAY)
            self._noise = quality.noise_of(self._grey)
        seen = quality.focus(self._grey[y0:y1, x0:x1].astype(np.float32), mask, self._noise)
        area = whole = int(self.found.masks.area[i])
        if self.found.amodal is not None:
            whole = max(int(self.found.amodal.area[i]), area)
        box = tuple(self.found.masks.boxes[i].tolist())
        marks = quality.flags(kind, area, whole, box, self.image.shape[:2], seen["softness"])
        return seen | marks

    def _contrast(self, i: int) -> float:
        if self._contrasts is None:
            self._contrasts = contrasts(self.image, self.found)
        return self._contrasts[i]


def _reason(found: Instances, i: int, names: Sequence[str]) -> str:
    """Why an instance cannot be cut, "" where it can."""
    if found.labels[i] >= len(names):
        return f"its label is {found.labels[i]}, but there are {len(names)} classes; correct it"
    if found.attributes.get("iscrowd", np.zeros(len(found)))[i] == 1:
        return "it is a crowd, not one instance; label its members to cut them"
    has = found.attributes.get("has_mask")
    if found.masks is None or (has is not None and not has[i]):
        return "it has a box but no mask; outline it to cut it"
    if found.masks.area[i] < LEAST:
        return f"its mask covers {found.masks.area[i]} pixels; draw it again or remove it"
    return ""
