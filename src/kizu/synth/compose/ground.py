"""``Ground``: the clean picture that a defect is made on. ``Change``: what a generator makes of a part of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Ground:
    """A clean picture and what is known of it.

    Attributes:
        light: float32 (H, W, 3), linear light 0..1; generators read it, and change a copy.
        part: bool (H, W), where defects may be: the part's own pixels, all of the frame where it is a surface.
        noise: float, standard deviation of the noise of the picture's 8-bit values.
        sun: (x, y, ambient): direction that the light comes from in the frame (length 1 at most; x right, y down),
            and the ambient share 0..1.
        other: float32 (h, w, 3), linear light of another clean picture of the same product, or None.
        clean: float32 (H, W, 3), ``light`` before anything was put on it, where something may have been: what shapes
            follow, so that they do not change with the light of other things. None: ``light`` itself.
    """

    light: np.ndarray
    part: np.ndarray
    noise: float = 1.0
    sun: tuple[float, float, float] = (0.0, 0.0, 1.0)
    other: np.ndarray | None = None
    clean: np.ndarray | None = None


@dataclass
class Change:
    """A part of a picture as a generator leaves it.

    Attributes:
        x, y: corner of the box in the frame.
        light: float32 (h, w, 3), linear light of all pixels of the box; equal to the ground's where nothing changes.
        planned: bool (h, w), the mask that the generator had in mind.
        attributes: what else is known of the defect (JSON-able).
    """

    x: int
    y: int
    light: np.ndarray
    planned: np.ndarray
    attributes: dict[str, Any] = field(default_factory=dict)
