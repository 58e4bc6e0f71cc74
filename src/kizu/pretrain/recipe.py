"""What follows from the one dial ``--size``: network, pictures, batch, learning rate, samples."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from kizu.core.errors import KizuError


@dataclass(frozen=True)
class Recipe:
    """Settings that go together.

    Attributes:
        model: backbone, a name of the registry.
        width: channels of the pyramid and the head.
        side: of the pictures that the network sees, in pixels.
        drawn: side of the pictures that the generator makes, of which a part is seen at 0.7 to 1.4 times its size.
        batch: pictures of each process in a step.
        lr: largest learning rate at this batch and one process.
        samples: pictures of the whole run, where no time is given.
        held: held-out pictures.
    """

    model: str
    width: int
    side: int
    drawn: int
    batch: int
    lr: float
    samples: int
    held: int

    def changed(self, **values) -> Recipe:
        """With the values that are not None. The learning rate follows the root of the batch, and ``drawn`` the side.

        Raises:
            KizuError: a value that makes no sense.
        """
        given = {name: value for name, value in values.items() if value is not None}
        if "batch" in given and given["batch"] > 0:
            given = {"lr": scaled(self.lr, given["batch"] / self.batch)} | given
        if "side" in given:
            given = {"drawn": given["side"] * self.drawn // self.side} | given
        out = replace(self, **given)
        if out.side < 32 or out.side % 32:
            raise KizuError(f"--side {out.side}: pictures are a multiple of 32 pixels wide, 32 or more")
        if out.batch < 1 or out.samples < 1 or not out.lr > 0:
            raise KizuError(f"--batch {out.batch}, --samples {out.samples}, --lr {out.lr:g}: all are above 0")
        return out


RECIPES = {
    "t": Recipe("timm:regnetx_002", 32, 96, 128, 16, 2e-3, 10_000, 64),
    "s": Recipe("kizu-s", 64, 192, 256, 16, 1.5e-3, 100_000, 192),
    "m": Recipe("timm:regnetx_016", 96, 256, 320, 32, 1.5e-3, 300_000, 256),
    "l": Recipe("timm:regnetx_032", 128, 384, 512, 32, 1e-3, 1_000_000, 256),
}


def recipe(size: str) -> Recipe:
    """The settings of a size. Raises KizuError that names the sizes."""
    if size not in RECIPES:
        raise KizuError(f"--size {size}: it is one of {', '.join(RECIPES)}")
    return RECIPES[size]


def scaled(lr: float, times: float) -> float:
    """The learning rate of an adaptive optimiser at ``times`` the batch (Malladi et al. 2022, square root scaling)."""
    return float(f"{lr * math.sqrt(times):.3g}")
