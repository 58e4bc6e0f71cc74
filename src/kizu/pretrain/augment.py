"""Another view of a picture and its instances: part, size, orientation, exposure; cheap, beside training."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kizu.core.instances import Instances
from kizu.core.masks import Masks

_ZOOM = (0.7, 1.4)  # times the size in the picture
_AROUND = 0.5  # share of views that are laid around an instance
_LEAST = 4  # pixels of an instance that is kept


@dataclass(frozen=True)
class View:
    """A square part of a picture: corner and side in its pixels, quarter turns against the clock, and a flip before."""

    x: int
    y: int
    side: int
    turns: int = 0
    flip: bool = False


def random_view(
    size: tuple[int, int],
    found: Instances,
    side: int,
    random: np.random.Generator,
    zoom: float | None = None,
    around: float = _AROUND,
) -> View:
    """A part that is shown ``side`` pixels wide.

    Args:
        zoom: times its size in the picture, where the picture is large enough; None: 0.7 to 1.4.
        around: share of views that are laid around an instance.
    """
    zoom = np.exp(random.uniform(*np.log(_ZOOM))) if zoom is None else zoom
    part = min(max(round(side / zoom), 1), *size)
    height, width = size
    x, y = (int(random.integers(0, s - part + 1)) for s in (width, height))
    if len(found) and random.random() < around:
        x0, y0, x1, y1 = found.boxes[random.integers(len(found))]
        at = random.uniform((x0, y0), (x1, y1)) - random.uniform(0.2, 0.8, 2) * part
        x, y = (int(np.clip(v, 0, s - part)) for v, s in zip(at, (width, height), strict=True))
    return View(x, y, part, int(random.integers(4)), bool(random.random() < 0.5))


def steady_view(size: tuple[int, int], found: Instances, side: int) -> View:
    """The part of a held-out picture: unturned, at its own size, in the middle or around the first instance."""
    part = min(side, *size)
    centre = np.array(size[::-1]) / 2 if not len(found) else (found.boxes[0, :2] + found.boxes[0, 2:]) / 2
    x, y = (int(np.clip(c - part / 2, 0, s - part)) for c, s in zip(centre, size[::-1], strict=True))
    return View(x, y, part)


def look(image: np.ndarray, found: Instances, view: View, side: int) -> tuple[np.ndarray, Instances]:
    """What a view shows.

    Args:
        image: uint8 (H, W, 3).
        found: with masks; those of which less than four pixels are seen are left out.
        side: of the result.

    Returns:
        image uint8 (side, side, 3) and instances on it.
    """
    part = image[view.y : view.y + view.side, view.x : view.x + view.side]
    if view.side != side:
        part = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA if view.side > side else cv2.INTER_LINEAR)
    crops = [_seen(*found.masks.crop(i), view, side) for i in range(len(found))]
    masks = Masks.from_crops([_turned(mask, place, view, side) for mask, place in crops], (side, side))
    kept = masks.area >= _LEAST
    return np.ascontiguousarray(_turn(part, view)), found[kept].replace(boxes=None, masks=masks[kept], amodal=None)


@dataclass(frozen=True)
class Exposure:
    """Another light and camera: gamma, contrast, brightness; now and then grey, negative, soft or noisy.

    Attributes:
        gamma: exponent of the grey levels.
        contrast: factor on their distance from the picture's mean level.
        brightness: added to all, in 0..1.
        grey, negative: whether it is.
        blur: standard deviation in pixels, 0 for none.
        noise: standard deviation in grey levels, 0 for none.
    """

    gamma: float
    contrast: float
    brightness: float
    grey: bool
    negative: bool
    blur: float
    noise: float

    @classmethod
    def draw(cls, random: np.random.Generator) -> Exposure:
        gamma, contrast = np.exp(random.uniform((-0.35, -0.5), (0.35, 0.3)))
        grey, negative, soft, noisy = random.random(4) < (0.15, 0.1, 0.15, 0.3)
        blur, noise = random.uniform((0.4, 1), (1.2, 7)) * (soft, noisy)
        return cls(gamma, contrast, random.uniform(-0.12, 0.12), bool(grey), bool(negative), float(blur), float(noise))

    def apply(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """The image uint8 (H, W, 3) so exposed; ``random`` makes the noise."""
        levels = np.linspace(0, 1, 256) ** self.gamma
        middle = levels[int(image.mean())]
        levels = (levels - middle) * self.contrast + middle + self.brightness
        if self.negative:
            levels = 1 - levels
        if self.grey:
            image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None], 3, 2)
        image = (levels * 255).clip(0, 255).round().astype(np.uint8)[image]
        if self.blur:
            image = cv2.GaussianBlur(image, (0, 0), self.blur)
        if self.noise:
            noise = random.standard_normal(image.shape[:2], np.float32) * self.noise
            image = (image + noise[:, :, None]).clip(0, 255).round().astype(np.uint8)
        return image


def expose(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The image uint8 (H, W, 3) under a random :class:`Exposure`."""
    return Exposure.draw(random).apply(image, random)


def _seen(mask: np.ndarray, corner: tuple[int, int], view: View, side: int) -> tuple[np.ndarray, tuple[int, int]]:
    """A mask in its box, as it lies in the unturned view."""
    x, y = corner[0] - view.x, corner[1] - view.y
    left, top = max(-x, 0), max(-y, 0)
    mask = mask[top : max(view.side - y, 0), left : max(view.side - x, 0)]
    x, y = x + left, y + top
    if not mask.size:
        return np.zeros((0, 0), bool), (0, 0)
    if view.side == side:
        return mask, (x, y)
    # Pixel centres go to pixel centres, as they do in cv2.resize.
    scale = side / view.side
    u, v = int(x * scale), int(y * scale)
    width = min(int(np.ceil((x + mask.shape[1]) * scale)), side) - u
    height = min(int(np.ceil((y + mask.shape[0]) * scale)), side) - v
    shift = [(0.5 + place) * scale - 0.5 - corner for place, corner in ((x, u), (y, v))]
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    grown = cv2.warpAffine(mask.view(np.uint8) * 255, matrix, (width, height), flags=cv2.INTER_LINEAR)
    return grown > 127, (u, v)


def _turn(image: np.ndarray, view: View) -> np.ndarray:
    return np.rot90(image[:, ::-1] if view.flip else image, view.turns)


def _turned(mask: np.ndarray, corner: tuple[int, int], view: View, side: int) -> tuple[np.ndarray, tuple[int, int]]:
    """A mask and its corner, flipped and turned with the view."""
    (x, y), (height, width) = corner, mask.shape
    if view.flip:
        x = side - x - width
    for _ in range(view.turns):
        x, y, width, height = y, side - x - width, height, width
    return _turn(mask, view), (x, y) if mask.size else (0, 0)
