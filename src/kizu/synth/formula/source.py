"""``Formula``: formula images as a source of samples. Sample = f(preset, size, seed, index) and nothing else."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.sample import Sample
from kizu.synth.formula.presets import Preset

VERSION = 1  # of the formulas: raise it when the same preset, seed and index give another picture


@dataclass
class Picture:
    """What a painter makes.

    Attributes:
        image: uint8 (H, W), or (H, W, 3) RGB.
        instances: labels with visible and amodal masks.
        meta: what else is known of it (JSON-able).
        quality: of the JPEG file.
    """

    image: np.ndarray
    instances: Instances
    meta: dict[str, Any]
    quality: int = 95


class Formula:
    """Formula images with random access; picture i is the same whoever asks for it, in any order.

    A painter is a module of ``kizu.synth.formula.painters`` with ``names(values) -> tuple[str, ...]`` and
    ``paint(values, size, seed, index) -> Picture``; where some classes are no defects (parts), ``not_defects(values)``
    names them.
    """

    def __init__(self, preset: Preset, count: int, size: tuple[int, int] = (512, 512), seed: int = 0, start: int = 0):
        """
        Args:
            count: number of pictures; their indices are ``start`` to ``start + count - 1``.
            size: (H, W).

        Raises:
            KizuError: a size, count or seed that makes no sense.
        """
        if min(size) < 32 or max(size) > 8192:
            raise KizuError(f"pictures of {size[0]} x {size[1]} pixels: take from 32 to 8192 a side")
        if count < 1 or start < 0 or seed < 0:
            raise KizuError(f"count {count}, start {start}, seed {seed}: count is 1 or more, the others 0 or more")
        self.preset, self.count, self.size, self.seed, self.start = preset, count, tuple(size), seed, start
        self.names = _painter(preset).names(preset.values)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> Sample:
        if not 0 <= i < self.count:
            raise IndexError(f"picture {i} of {self.count}")
        index = self.start + i
        picture = _painter(self.preset).paint(self.preset.values, self.size, self.seed, index)
        pixels = picture.image if picture.image.ndim == 2 else cv2.cvtColor(picture.image, cv2.COLOR_RGB2BGR)
        data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, picture.quality])[1].tobytes()
        name = f"{index:08d}.jpg"
        return Sample(
            name, data, picture.instances, size=self.size, source=f"kizu {self.preset.name}", meta=picture.meta,
            split=picture.meta.pop("split", ""),
        )  # fmt: skip

    @property
    def ids(self) -> list[str]:
        """Ids of all pictures, without drawing them."""
        return [f"{self.start + i:08d}.jpg" for i in range(self.count)]

    @property
    def config(self) -> dict[str, Any]:
        """All that the pictures depend on, but not how many they are."""
        record = {"formula": VERSION, "preset": self.preset.to_json(), "size": list(self.size), "seed": self.seed}
        return record | {"start": self.start}

    def where(self, i: int) -> str:
        """What makes picture i again, in words."""
        height, width = self.size
        return f"picture {self.start + i} (preset {self.preset.name}, seed {self.seed}, size {height}x{width})"

    def dataset(self) -> Dataset:
        """As a data set whose pictures are drawn when they are asked for."""
        info = {"title": self.preset.title, "licence": "Apache-2.0", "origin": "made by Kizu from formulas alone"}
        others = getattr(_painter(self.preset), "not_defects", None)
        if others is not None:
            info["not_defects"] = list(others(self.preset.values))
        return Dataset(self, self.names, info)


def _painter(preset: Preset):
    return importlib.import_module(f"kizu.synth.formula.painters.{preset.painter}")
