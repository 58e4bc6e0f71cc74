"""``Surface``: layers of a material and what a defect on it has to know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kizu.synth.formula.layers import Layers


@dataclass
class Surface:
    """A piece of a material.

    Attributes:
        material: its name.
        layers: of (H, W) pixels.
        albedo: float32 (3,), mean reflectance, linear RGB (three channels for grey pictures too).
        roughness, metal: means.
        heading: direction of the texture's lines in radians, 0 = along x; None where it has none.
        period: pixels after which the texture repeats across its lines (weave, milling marks); None where it does not.
        grain: standard deviation of the albedo's fine texture (luminance, squares of 16 pixels), in units of the mean.
        relief: root mean square slope of the height along x and y together (pixels a pixel).
        pitch: pixels from one thread or tool mark to the next (a weave repeats after several); None where it has none.
    """

    material: str
    layers: Layers
    albedo: np.ndarray
    roughness: float
    metal: float
    heading: float | None = None
    period: float | None = None
    grain: float = 0.0
    relief: float = 0.0
    pitch: float | None = None
