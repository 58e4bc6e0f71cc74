"""A thin turned rectangle of the picture (the scar of CutPaste, Li et al., 2021)."""

from __future__ import annotations

import numpy as np

from kizu.synth.compose.flaws.rectangle import pasted
from kizu.synth.compose.flaws.registry import flaw
from kizu.synth.compose.ground import Change, Ground
from kizu.synth.formula import chance

_LEAST_ASPECT = 3.0


@flaw
def scar(ground: Ground, at: tuple[float, float], area: float, random: np.random.Generator) -> Change | None:
    """As long by its width as 10 to 25 is by 2 to 16 pixels, turned by up to 45 degrees from upright or lying."""
    length = random.uniform(10, 25)
    width = min(chance.log_uniform((2, 16), random), length / _LEAST_ASPECT)
    scale = float(np.sqrt(area / (length * width)))
    length, width = length * scale, width * scale
    if width < 1.5:
        length, width = area / 1.5, 1.5
    angle = random.uniform(-np.pi / 4, np.pi / 4) + float(random.integers(2)) * np.pi / 2
    return pasted(ground, at, length, width, float(angle), (0.12, 0.6), random)
