"""The pictures that things are put on: clean ones of a data set, or made ones, with what is known of their light."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.run import Skips
from kizu.synth.compose import shading
from kizu.synth.compose.linear import to_linear

_BYTES = 300_000_000  # of pictures that are kept decoded


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
    """

    id: str
    group: str
    light: np.ndarray
    part: np.ndarray
    noise: float
    sun: tuple[float, float, float]
    field: np.ndarray
    grey: bool


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
        part_of: Callable[[np.ndarray], np.ndarray],
        sun_of: Callable[[np.ndarray], tuple[float, float, float]],
        noise_of: Callable[[np.ndarray], float],
    ):
        """
        Args:
            part_of, sun_of, noise_of: of a picture uint8 (H, W, 3).

        Raises:
            KizuError: there is none.
        """
        if not len(rows):
            raise KizuError("there is no picture to put anything on")
        self.dataset, self.rows = dataset, np.asarray(rows, np.int64)
        self._look = part_of, sun_of, noise_of
        self._kept: OrderedDict[int, Background] = OrderedDict()
        self._ids: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_kept": OrderedDict()}

    def __getitem__(self, i: int) -> Background:
        """Raises DataError where the picture cannot be read."""
        if i in self._kept:
            self._kept.move_to_end(i)
            return self._kept[i]
        sample = self.dataset[int(self.rows[i])]
        image = sample.image
        part_of, sun_of, noise_of = self._look
        light, part = to_linear(image), part_of(image)
        found = Background(
            sample.id, sample.group or sample.id, light, part, noise_of(image), sun_of(image),
            shading.field(light, part), bool((image[:, :, 0] == image[:, :, 2]).all()),
        )  # fmt: skip
        self._kept[i] = found
        while len(self._kept) > 1 and sum(kept.light.nbytes for kept in self._kept.values()) > _BYTES:
            self._kept.popitem(last=False)
        return found

    def number(self, id: str) -> int:
        """Number of the picture of an id. Raises DataError where there is none."""
        if not self._ids:
            ids = self.dataset.ids
            self._ids = {ids[row]: i for i, row in enumerate(self.rows.tolist())}
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


def window(background: Background, box: tuple[int, int, int, int], size: tuple[int, int], flips: tuple[bool, bool]):
    """A part of a background as a frame: (light float32 (H, W, 3), part bool (H, W), log shading).

    Args:
        box: (x, y, w, h) in the background.
        size: (H, W) of the frame; where the box has another, it is resized.
    """
    x, y, w, h = box
    light = background.light[y : y + h, x : x + w]
    part = background.part[y : y + h, x : x + w]
    down, across = (
        background.field.shape[0] / background.part.shape[0],
        background.field.shape[1] / background.part.shape[1],
    )
    lit = background.field[
        int(y * down) : max(int((y + h) * down), int(y * down) + 1),
        int(x * across) : max(int((x + w) * across), int(x * across) + 1),
    ]
    if (h, w) != tuple(size):
        way = cv2.INTER_AREA if h > size[0] else cv2.INTER_LINEAR
        light = cv2.resize(light, size[::-1], interpolation=way)
        part = cv2.resize(part.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST) > 0
    axes = [axis for axis, turned in ((1, flips[0]), (0, flips[1])) if turned]
    if axes:
        light, part, lit = np.flip(light, axes), np.flip(part, axes), np.flip(lit, axes)
    return np.array(light), np.array(part), np.array(lit)
