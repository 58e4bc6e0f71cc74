"""What a student learns from: windows of pictures, and what the teacher sees of them, standardised."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from kizu.core.errors import DataError, KizuError
from kizu.core.sample import Sample
from kizu.core.seeds import Stream, generator
from kizu.fewshot.features import STRIDE as CELL
from kizu.fewshot.network import Network, at
from kizu.models.session import picture_stats
from kizu.synth.formula.presets import load
from kizu.synth.formula.source import Formula

SIDE = 256  # pixels of a window
STRIDE = 8  # pixels a cell of the student
RIM = 4  # cells at the rim of a window, where networks see its edge
DIMENSIONS = 128  # of the features that are reproduced, at most
PRESET = "industrial"
_FORMULA = 0.25  # of the windows are of formula images
_FITTED = 64  # windows that the standard is fitted to
_HELD, _LEAST = 16, 8  # pictures that are held out: at most, and one in so many
_TRIES = 20  # pictures in a row that cannot be read before it ends
_TINY = 1e-6
_FLOOR = 0.1  # of the usual deviation, added to each
_CLIP = 8.0  # deviations
_APART = 2**40  # number of the first window of those


@dataclass(frozen=True)
class Window:
    """A window uint8 (SIDE, SIDE, 3) of a picture, and the stats of the whole picture, see ``picture_stats``."""

    image: np.ndarray
    stats: np.ndarray


@dataclass(frozen=True)
class Standard:
    """From the channels of a teacher to what is reproduced: standardised, turned to their leading directions.

    The turned ones have the distances of the standardised channels, but for what lies in the directions left out, so
    that a squared error of theirs is one of the channels.

    Attributes:
        mean, scale: float32 (C,).
        axes: float32 (C, D), of length 1 and upright on each other.
    """

    mean: np.ndarray
    scale: np.ndarray
    axes: np.ndarray

    @classmethod
    def fit(cls, seen: np.ndarray) -> Standard:
        """Of channels float32 (N, C) of many cells."""
        mean, scale = seen.mean(0), seen.std(0)
        scale += _FLOOR * np.median(scale) + _TINY  # a channel that is nearly silent is not blown up
        own = cls(mean, scale, np.zeros((seen.shape[1], 0), np.float32)).channels(seen)
        axes = np.linalg.eigh((own.T @ own).astype(np.float64))[1][:, ::-1][:, :DIMENSIONS]
        return cls(mean, scale, np.ascontiguousarray(axes, np.float32))

    def channels(self, seen: np.ndarray) -> np.ndarray:
        """Standardised channels (N, C)."""
        return np.clip((seen - self.mean) / self.scale, -_CLIP, _CLIP)

    def __call__(self, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is reproduced of channels (N, C), float32 (N, D), and the energy of all standardised channels (N,)."""
        own = self.channels(seen)
        return own @ self.axes, np.square(own).sum(1)


class Lessons:
    """Windows to learn from, drawn by their number, and windows that are held out.

    Args:
        teacher: it sees the windows at their full size.
        pictures: of the user, with labels or without; random access.
        seed: of all chance.
        turns: windows may be turned and flipped.

    Attributes:
        standard: fitted to the windows ``first``.
        held: windows of pictures that are not learned from.
        pictures: of the user, that are learned from.
        skipped: one record {item, reason} for each picture that cannot be read, until it is told.

    Raises:
        KizuError: no picture can be read.
    """

    def __init__(self, teacher: Network, pictures: Sequence[Sample], seed: int, turns: bool = True):
        self.teacher, self.seed, self.turns = teacher, seed, turns
        self._pictures = pictures
        self._formula = Formula(load(PRESET), 2**40, (SIDE, SIDE), seed)
        held, self._own = _parted(pictures, seed)
        self.skipped: list[dict[str, str]] = []
        self.held = [window for i in held if (window := self._middle(i)) is not None]
        if not self.held:
            why = self.skipped[0]["reason"] if self.skipped else "there is none"
            raise KizuError(f"no picture to measure a student on can be read: {why}")
        self.pictures = len(self._own)  # of the user, that are learned from
        self.first = [self.window(_APART + k) for k in range(_FITTED)]
        some = self.seen(self.first)
        self.standard = Standard.fit(some.reshape(-1, some.shape[-1]))

    def window(self, place: int) -> Window:
        """Window ``place``, the same whenever it is asked for; a picture that cannot be read is passed over.

        Raises:
            KizuError: many in a row cannot be read.
        """
        random = generator(self.seed, Stream.TRAINING, place)
        for _ in range(_TRIES):
            if not self._own or random.random() < _FORMULA:
                image = self._formula[int(random.integers(2**40))].image
            else:
                image = self._image(self._own[random.integers(len(self._own))])
            if image is not None:
                return self._cut(image, random)
        raise KizuError(f"{_TRIES} pictures in a row cannot be read, the last: {self.skipped[-1]['reason']}")

    def seen(self, windows: Sequence[Window]) -> np.ndarray:
        """The teacher's channels at the middles of the student's cells, the rim left out: float32 (B, n, n, C)."""
        # Sessions run on one thread each, so that numbers do not depend on the number of cores.
        with ThreadPoolExecutor(len(windows)) as pool:
            return np.stack(list(pool.map(self._look, windows)))

    def _look(self, window: Window) -> np.ndarray:
        maps = self.teacher.net(window.image, window.stats)
        places = np.mgrid[RIM : SIDE // STRIDE - RIM, RIM : SIDE // STRIDE - RIM]
        rows, columns = ((places + 0.5) * STRIDE / CELL - 0.5).reshape(2, -1)
        return at(maps, rows, columns, self.teacher.strides).reshape(*places.shape[1:], -1)

    def _image(self, i: int) -> np.ndarray | None:
        sample = self._pictures[i]
        try:
            return sample.image
        except DataError as error:
            record = {"item": sample.id, "reason": str(error)}
            if record not in self.skipped:
                self.skipped.append(record)
            return None

    def _middle(self, i: int) -> Window | None:
        image = self._image(i)
        if image is None:
            return None
        top, left = (max(side - SIDE, 0) // 2 for side in image.shape[:2])
        return Window(_whole(image[top : top + SIDE, left : left + SIDE]), picture_stats(image))

    def _cut(self, image: np.ndarray, random: np.random.Generator) -> Window:
        top, left = (int(random.integers(max(side - SIDE, 0) + 1)) for side in image.shape[:2])
        out = _whole(image[top : top + SIDE, left : left + SIDE])
        if self.turns:
            out = np.rot90(out, int(random.integers(4)))
            out = out[:, ::-1] if random.random() < 0.5 else out
        return Window(np.ascontiguousarray(out), picture_stats(image))


def _whole(image: np.ndarray) -> np.ndarray:
    """A picture mirrored on to the size of a window."""
    odd = (SIDE - image.shape[0], SIDE - image.shape[1])
    return cv2.copyMakeBorder(image, 0, odd[0], 0, odd[1], cv2.BORDER_REFLECT_101)


def _parted(pictures: Sequence[Sample], seed: int) -> tuple[list[int], list[int]]:
    """Numbers of pictures that are held out, and of those that are learned from; a group stays together."""
    order = generator(seed, Stream.ORDER).permutation(len(pictures)).tolist()
    held = order[: min(max(len(order) // _LEAST, 1), _HELD)]
    groups = {pictures[i].group for i in held} - {""}
    return held, [i for i in order[len(held) :] if pictures[i].group not in groups]
