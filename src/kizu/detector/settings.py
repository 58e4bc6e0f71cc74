"""``Settings``: how a detector is trained; what nobody names follows from the pictures."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kizu.core.errors import KizuError
from kizu.detector.pictures import Part

STEP = 32  # sides of training pictures are multiples of it
_SIDES = (128, 384)  # smallest and largest side that is chosen for the user
_PIXELS = 8 * 256 * 256  # of a batch
_SAMPLES = 12_000  # that a small set is shown in all, unless the user says how long
_EPOCHS = (20, 200)
_COMPOSED_UNTIL = 0.6  # share of the steps; a network that ends on real pictures fits them better
_LR = {"kizu-dense": 1e-3, "d-fine": 2e-4, "rt-detrv2": 2e-4, "mask2former": 1e-4}


@dataclass(frozen=True)
class Settings:
    """All that a training depends on, apart from the pictures.

    Attributes:
        model, backbone: names of the registry.
        weights: name or file of the weights that it starts from, or ``none``.
        size: side of the training pictures, which are cut from the pictures at about their native scale.
        epochs: pictures of the training set are seen so often on average; None = as ``minutes`` allow.
        minutes: of training; None = without limit.
        batch: training pictures of a step.
        lr: largest learning rate.
        turns: whether pictures may be turned and flipped.
        seed: of all chance.
        composed: share of the training pictures that are composed of the others, see :mod:`kizu.synth.compose`.
        composed_until: number of the training picture from which on all are real; None = none.
    """

    model: str
    backbone: str
    weights: str
    size: int
    epochs: int | None
    minutes: float | None
    batch: int
    lr: float
    turns: bool
    seed: int
    composed: float = 0.0
    composed_until: int | None = None

    def steps(self, count: int) -> int | None:
        """Steps of the optimiser for ``count`` training pictures; None = as the minutes allow."""
        return None if self.epochs is None else math.ceil(self.epochs * count / self.batch)

    def record(self) -> dict[str, Any]:
        """As JSON-able values."""
        return asdict(self)


def settings_for(
    train: Part,
    *,
    model: str,
    backbone: str,
    weights: str,
    size: int | None,
    epochs: int | None,
    minutes: float | None,
    turns: bool,
    seed: int,
    composed: float = 0.0,
) -> Settings:
    """Settings for a training set; what is None follows from it.

    The side is the shorter one of most pictures, from 128 to 384 pixels; a batch has about half a million pixels;
    without ``epochs`` and ``minutes`` a small set is seen 12 000 times, 20 to 200 times a picture.

    Raises:
        KizuError: a size that is no multiple of 32, or no time to train.
    """
    if size is None:
        some = np.linspace(0, len(train) - 1, min(len(train), 200)).astype(int)
        shorter = float(np.median([min(train.dataset[int(i)].size) for i in some]))
        size = int(np.clip(shorter // STEP * STEP, *_SIDES))
    if size < STEP or size % STEP:
        raise KizuError(f"--size {size}: the side of a training picture is a multiple of {STEP}, e.g. 256")
    if epochs is not None and epochs < 1:
        raise KizuError(f"--epochs {epochs}: every picture has to be seen once at least")
    if minutes is not None and not minutes > 0:
        raise KizuError(f"--minutes {minutes}: training takes time; a small set takes 5 to 20")
    if epochs is None and minutes is None:
        epochs = int(np.clip(math.ceil(_SAMPLES / len(train)), *_EPOCHS))
    batch = int(np.clip(_PIXELS // size**2 // 2 * 2, 2, 16))
    # How many pictures there will be is not known where minutes count.
    until = round(_COMPOSED_UNTIL * epochs * len(train)) if composed and epochs is not None else None
    return Settings(
        model, backbone, weights, size, epochs, minutes, batch, _LR.get(model, 5e-4), turns, seed, composed, until
    )
