"""The pictures that things are put on: clean ones of a data set, or made ones, with what is known of their light."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import cv2
import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.masks import Masks
from kizu.core.run import Skips
from kizu.synth.compose import shading
from kizu.synth.compose.likeness import surface
from kizu.synth.compose.linear import to_linear
from kizu.synth.compose.noise import estimate
from kizu.synth.compose.part import part_mask, sun

_BYTES = 300_000_000  # of pictures that are kept decoded
_AWAY = 4  # pixels from what is on a picture already to what is put on it


@dataclass
class Background:
    """A clean picture as it is worked on.

    Attributes:
        id: of its sample.
        group: of its sample, its id where it has none.
        light: float32 (H, W, 3), linear.
        part: bool (H, W), where the part is.
        noise: standard deviation of the noise of its 8-bit values.
        sun: as of :class:`kizu.synth.compose.ground.Ground`.
        field: log shading, see :func:`kizu.synth.compose.shading.field`.
        grey: whether its channels are equal.
        surface: what it looks like, see :func:`kizu.synth.compose.likeness.surface`.
        labels: names of the classes of what is on it already, () for a clean one.
        masks: of these, or None.
    """

    id: str
    group: str
    light: np.ndarray
    part: np.ndarray
    noise: float
    sun: tuple[float, float, float]
    field: np.ndarray
    grey: bool
    surface: np.ndarray
    labels: tuple[str, ...] = ()
    masks: Masks | None = None


class Backgrounds:
    """Pictures to put things on, by number; the last ones that were used stay decoded.

    Attributes:
        dataset: of which they are.
        rows: indices of its samples that may be used.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: np.ndarray,
        labelled: bool = False,
    ):
        """
        Args:
            labelled: there may be something on them, which is labelled.

        Raises:
            KizuError: there is none.
        """
        if not len(rows):
            raise KizuError("there is no picture to put anything on")
        self.dataset, self.rows = dataset, np.asarray(rows, np.int64)
        self.labelled = labelled
        self._kept: OrderedDict[int, Background] = OrderedDict()
        self._ids: dict[str, int] = {}
        self._listed: list[str] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def names(self) -> list[str]:
        """Names of the classes of what may be on them already."""
        return list(self.dataset.names) if self.labelled else []

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_kept": OrderedDict()}

    def __getitem__(self, i: int) -> Background:
        """Raises DataError where the picture cannot be read."""
        if i in self._kept:
            self._kept.move_to_end(i)
            return self._kept[i]
        sample = self.dataset[int(self.rows[i])]
        image = sample.image
        found = sample.instances
        light, part = to_linear(image), part_mask(image)
        labels = tuple(self.dataset.names[label] for label in found.labels)
        if labels and found.masks is None:
            raise DataError(f"{sample.id}: its labels are boxes without masks; draw masks, or take clean pictures")
        free = part.copy()
        if labels:
            free &= cv2.dilate(found.masks.union().view(np.uint8), np.ones((5, 5), np.uint8)) == 0
        kept = Background(
            sample.id, sample.group or sample.id, light, part, estimate(image), sun(image),
            shading.field(light, part), bool((image[:, :, 0] == image[:, :, 2]).all()),
            surface(image, free), labels, found.masks if labels else None,
        )  # fmt: skip
        self._kept[i] = kept
        while len(self._kept) > 1 and sum(other.light.nbytes for other in self._kept.values()) > _BYTES:
            self._kept.popitem(last=False)
        return kept

    def id(self, i: int) -> str:
        """Id of picture ``i``."""
        return self._names[int(self.rows[i])]

    @property
    def _names(self) -> list[str]:
        if self._listed is None:
            self._listed = self.dataset.ids
        return self._listed

    def number(self, id: str) -> int:
        """Number of the picture of an id. Raises DataError where there is none."""
        if not self._ids:
            self._ids = {self.id(i): i for i in range(len(self))}
        if id not in self._ids:
            raise DataError(f"there is no background {id!r} any more; name the pictures that the scene was made with")
        return self._ids[id]


def clean_rows(dataset: Dataset, skips: Skips) -> np.ndarray:
    """Indices of the samples that somebody has looked at and found nothing on."""
    out = []
    for i, id in enumerate(dataset.ids):
        with skips.item(id):
            sample = dataset[i]
            if sample.labelled and not len(sample.instances):
                out.append(i)
    return np.array(out, np.int64)


@dataclass
class Frame:
    """A part of a background as the frame of a scene.

    Attributes:
        light: float32 (H, W, 3), linear.
        part: bool (H, W), where things may be put: the part, but for what is on it already.
        field: log shading.
        labels: names of the classes of what is on it already.
        masks: bool (N, H, W) of these.
    """

    light: np.ndarray
    part: np.ndarray
    field: np.ndarray
    labels: list[str]
    masks: list[np.ndarray]


Window = tuple[int, int, int, int]


def part_of(background: Background, box: Window, size: tuple[int, int], flips: tuple[bool, bool]) -> np.ndarray:
    """Where things may be put in a window of a background, bool (H, W); see :func:`frame_of`."""
    return _part_of(background, box, size, flips)[0]


def frame_of(background: Background, box: Window, size: tuple[int, int], flips: tuple[bool, bool]) -> Frame:
    """A window of a background.

    Args:
        box: (x, y, w, h) in the background.
        size: (H, W) of the frame; where the box has another, it is resized.
        flips: (left-right, upside-down).
    """
    x, y, w, h = box
    down, across = (a / b for a, b in zip(background.field.shape, background.part.shape, strict=True))
    top, left = int(y * down), int(x * across)
    lit = background.field[top : max(int((y + h) * down), top + 1), left : max(int((x + w) * across), left + 1)]
    light = _shaped(background.light, box, size, flips, cv2.INTER_AREA if h > size[0] else cv2.INTER_LINEAR)
    part, labels, masks = _part_of(background, box, size, flips)
    return Frame(light, part, _flipped(lit, flips), labels, masks)


def _part_of(
    background: Background, box: Window, size: tuple[int, int], flips: tuple[bool, bool]
) -> tuple[np.ndarray, list[str], list[np.ndarray]]:  # fmt: skip
    """Where things may be put; names and masks of what is there already."""
    part = _shaped(background.part.view(np.uint8), box, size, flips, cv2.INTER_NEAREST).view(bool)
    labels, masks = [], []
    for k, name in enumerate(background.labels):
        mask = _shaped(background.masks.dense(k).view(np.uint8), box, size, flips, cv2.INTER_NEAREST).view(bool)
        if mask.any():
            labels.append(name)
            masks.append(mask)
            part &= cv2.dilate(mask.view(np.uint8), np.ones((2 * _AWAY + 1,) * 2, np.uint8)) == 0
    return part, labels, masks


def _shaped(
    values: np.ndarray, box: Window, size: tuple[int, int], flips: tuple[bool, bool], way: int
) -> np.ndarray:  # fmt: skip
    x, y, w, h = box
    out = values[y : y + h, x : x + w]
    if (h, w) != tuple(size):
        out = cv2.resize(np.ascontiguousarray(out), size[::-1], interpolation=way)
    return _flipped(out, flips)


def _flipped(values: np.ndarray, flips: tuple[bool, bool]) -> np.ndarray:
    """A copy."""
    axes = [axis for axis, turned in ((1, flips[0]), (0, flips[1])) if turned]
    return np.array(np.flip(values, axes) if axes else values, order="C")
