"""``Spot``: the place of a defect in a picture, and how a new look is laid on it without a trace of the scissors."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from kizu.core.jit import jit
from kizu.synth.compose.ground import Change, Ground
from kizu.synth.compose.linear import LUMINANCE
from kizu.synth.compose.noise import matched
from kizu.synth.formula.defects.patch import blob

_LEAST = 9  # pixels: nothing smaller can be resolved
_SHARE = 0.25  # of the wanted pixels, that must be inside the frame and on the part
_SEEN = 4.0  # deviations of the noise by which a defect's tone differs at least
_LOOK = 64  # pixels a side of what is looked at for it
_LOW, _HIGH = 0.5, 1.5  # bounds of the optical blur that is looked for, pixels


class Spot:
    """A box of (h, w) pixels around a point; what lies beyond the frame is cut off.

    Attributes:
        ground: the picture.
        x, y: corner of what is left of the box, in the frame.
        light: float32 (h', w', 3), the ground's light there (a view: it is not to be changed).
        part: bool (h', w').
    """

    def __init__(self, ground: Ground, at: tuple[float, float], shape: tuple[int, int]):
        """
        Args:
            at: (x, y), middle of the box.
            shape: (h, w).
        """
        height, width = ground.light.shape[:2]
        x, y = round(at[0] - shape[1] / 2), round(at[1] - shape[0] / 2)
        left, top = min(max(x, 0), width), min(max(y, 0), height)
        bottom, right = min(max(y + shape[0], top), height), min(max(x + shape[1], left), width)
        self.ground, self.x, self.y = ground, left, top
        self.light, self.part = ground.light[top:bottom, left:right], ground.part[top:bottom, left:right]
        self._own = slice(top - y, bottom - y), slice(left - x, right - x)

    def cut(self, field: np.ndarray) -> np.ndarray:
        """What is inside the frame of a field (h, w, ...) of the whole box."""
        return field[self._own]

    @property
    def mean(self) -> np.ndarray:
        """float32 (3,), mean light of the part here, of all pixels where there is none of it."""
        inside = cv2.mean(self.light, self.part.view(np.uint8))
        return np.array(inside if self.part.any() else cv2.mean(self.light), np.float32)[:3]

    @property
    def grey(self) -> bool:
        """The three channels are one."""
        return bool(
            (self.light[..., 0] == self.light[..., 1]).all() and (self.light[..., 1] == self.light[..., 2]).all()
        )

    def blur(self) -> float:
        """About the deviation of the picture's optical blur here in pixels, 0.5 to 1.5.

        Differences over one pixel and over two: in the image of a random surface behind a Gaussian of deviation s their
        variances are as 1 - exp(-1/4s^2) to 1 - exp(-1/s^2). The noise of the camera is taken off.
        """
        y, x = (max((n - _LOOK) // 2, 0) for n in self.part.shape)
        tone = np.sqrt(np.maximum(self.light[y : y + _LOOK, x : x + _LOOK, 1], 0)) * 255  # about 8-bit values
        if min(tone.shape) < 6:
            return 0.7
        noise = 2 * self.ground.noise**2
        one = float(((tone[:, 1:] - tone[:, :-1]) ** 2).mean() + ((tone[1:] - tone[:-1]) ** 2).mean()) / 2 - noise
        two = float(((tone[:, 2:] - tone[:, :-2]) ** 2).mean() + ((tone[2:] - tone[:-2]) ** 2).mean()) / 2 - noise
        if one <= 0 or two <= 0:
            return 0.7
        # With e = exp(-1/4s^2) the ratio is (1 - e) / (1 - e^4).
        widths = np.linspace(_LOW, _HIGH, 21)
        e = np.exp(-1 / (4 * widths**2))
        return float(widths[np.argmin(np.abs((1 - e) / (1 - e**4) - one / two))])

    def swing(self, low: float, high: float, random: np.random.Generator) -> float:
        """A random change of the logarithm of the light, either way, large enough to be seen over the noise here.

        Args:
            low, high: range of its size.
        """
        level = 255 * float(self.mean @ LUMINANCE) ** (1 / 2.4)  # about the 8-bit value
        sign = 1.0 if level < 50 else -1.0 if level > 190 else float(random.choice((-1.0, 1.0)))
        least = min(2.4 * _SEEN * max(self.ground.noise, 1.0) / max(level, 4.0), 1.6)
        return sign * max(low, least) * (max(high, 1.2 * least) / max(low, least)) ** random.uniform()

    def soft(self, mask: np.ndarray, blur: float) -> np.ndarray:
        """float32 (h, w) 0..1: a mask with the edge that the picture's optics give it, its inside left whole."""
        return np.clip(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), blur, borderType=cv2.BORDER_REPLICATE), 0, 1)

    def lay(
        self, look: np.ndarray, alpha: np.ndarray, planned: np.ndarray, area: float, keep: np.ndarray | float,
        random: np.random.Generator, **attributes: Any,
    ) -> Change | None:  # fmt: skip
        """Lay a new look on the ground.

        Args:
            look: float32 (h', w', 3), light.
            alpha: float32 (h', w'), how much of it is seen.
            planned: bool (h', w').
            area: pixels that were asked for.
            keep: share of the amplitude of the ground's noise that the look still has, (h', w') or one number; the
                rest is added.
            attributes: of the change.

        Returns:
            The change on the smallest box; None where too little of it lies on the part.
        """
        planned = planned & self.part
        if np.count_nonzero(planned) < max(min(_LEAST, area), _SHARE * area):
            return None
        alpha = alpha * self.part
        seen = (alpha > 0) | planned
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        alpha, light, look = alpha[box], self.light[box], look[box]
        keep = keep[box] if isinstance(keep, np.ndarray) else keep
        out, missing = np.empty(light.shape, np.float32), np.empty(alpha.shape, np.float32)
        keep = np.broadcast_to(np.asarray(keep, np.float32), alpha.shape)
        _mix(light, look, alpha, keep, np.float32(self.ground.noise**2), out, missing)
        out = matched(out, missing, random)
        return Change(int(self.x + columns[0]), int(self.y + rows[0]), out, planned[box], attributes)


@jit
def _mix(light, look, alpha, keep, variance, out, missing):
    """Light and look by alpha, and the variance of the noise that the mixture lacks."""
    zero, one = np.float32(0), np.float32(1)
    for i in range(alpha.shape[0]):
        for j in range(alpha.shape[1]):
            share = alpha[i, j]
            missing[i, j] = zero
            for c in range(3):
                out[i, j, c] = light[i, j, c]
            if share > 0:
                left = one - share + share * keep[i, j]
                missing[i, j] = variance * max(one - left * left, zero)
                for c in range(3):
                    out[i, j, c] += share * (min(max(look[i, j, c], zero), one) - light[i, j, c])


def near(
    source: np.ndarray, spot: Spot, shape: tuple[int, int], random: np.random.Generator
) -> tuple[int, int, int, int]:
    """Box XYXY of another place of a picture, most often not far from the same: there the part looks alike.

    Args:
        source: float32 (H, W, 3), the spot's picture or another of the same product.
        shape: (h, w) of the box, cut to the picture.
    """
    size, frame = np.array(source.shape[:2]), np.array(spot.ground.light.shape[:2])
    box = np.minimum(shape, size)
    middle = (np.array([spot.y, spot.x]) + np.array(spot.part.shape) / 2) * size / frame
    spread = np.maximum(1.2 * box, 0.08 * size)
    y, x = np.clip(middle + random.normal(0, 1, 2) * spread - box / 2, 0, size - box).astype(int)
    return int(x), int(y), int(x + box[1]), int(y + box[0])


def region(
    ground: Ground, at: tuple[float, float], area: float, random: np.random.Generator
) -> tuple[Spot, np.ndarray, float]:
    """A random blob of a given area.

    Returns:
        The spot, bool (h', w') the blob's pixels, and the optical blur there.
    """
    rough, aspect = random.uniform(0.1, 0.35), float(np.exp(random.uniform(0, np.log(3.0))))
    patch, field = blob(np.zeros(2), float(np.sqrt(area)), random, aspect, random.uniform(0, np.pi), rough, 0.5, 4.0)
    spot = Spot(ground, at, patch.shape)
    return spot, spot.cut(field > 0), spot.blur() if spot.light.size else _LOW
