"""A rectangle of the picture in another place of it (CutPaste, Li et al., 2021)."""

from __future__ import annotations

import numpy as np

from kizu.synth.compose.flaws.rectangle import pasted
from kizu.synth.compose.flaws.registry import flaw
from kizu.synth.compose.ground import Change, Ground

_ASPECT = 3.3  # longest side by shortest


@flaw
def cutpaste(ground: Ground, at: tuple[float, float], area: float, random: np.random.Generator) -> Change | None:
    """An upright or quarter-turned rectangle with sides up to 3.3 to 1, a little brighter or darker."""
    aspect = _ASPECT ** random.uniform(-1, 1)
    angle = float(random.integers(2)) * np.pi / 2
    return pasted(ground, at, float(np.sqrt(area * aspect)), float(np.sqrt(area / aspect)), angle, (0.08, 0.35), random)
