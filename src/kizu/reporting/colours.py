"""Colours: a palette for classes that colour-blind readers can tell apart, and the colour scale of score maps."""

from __future__ import annotations

import cv2
import numpy as np

# Okabe and Ito, "Color Universal Design" (2008), without black, ordered so that neighbours differ most on grey metal.
OKABE_ITO = ("#E69F00", "#56B4E9", "#D55E00", "#009E73", "#CC79A7", "#F0E442", "#0072B2")
_FAINT = 0.15  # scores below this are noise and stay invisible


def class_slot(label: int) -> int:
    """The palette entry of class number ``label``: entries repeat after the last, names always stand beside them."""
    return label % len(OKABE_ITO)


def _scale() -> np.ndarray:
    """Inferno without its black end, which would be lost on dark metal: uint8 (256, 3) RGB."""
    ramp = np.linspace(70, 255, 256).round().astype(np.uint8)[:, None]
    return cv2.applyColorMap(ramp, cv2.COLORMAP_INFERNO)[:, 0, ::-1]


_SCALE = _scale()


def heat(scores: np.ndarray) -> np.ndarray:
    """Scores in 0..1 float (H, W) as uint8 (H, W, 4): perceptual colour, and the more opaque the higher the score."""
    level = np.clip(scores, 0, 1)
    opacity = np.clip((level - _FAINT) / (1 - _FAINT), 0, 1) ** 0.7 * 0.85
    out = np.empty((*scores.shape, 4), np.uint8)
    out[..., :3] = _SCALE[(level * 255).round().astype(np.uint8)]
    out[..., 3] = (opacity * 255).round()
    return out


def heat_stops(count: int = 9) -> list[tuple[float, str]]:
    """``(score, colour)`` at ``count`` places, for the legend."""
    places = [i / (count - 1) for i in range(count)]
    return [(place, "#" + bytes(_SCALE[round(place * 255)]).hex()) for place in places]
