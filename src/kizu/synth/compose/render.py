"""The renderer: a scene spec to a picture with labels. No chance is in it that the spec does not hold."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from kizu.core.jit import jit
from kizu.core.seeds import Stream, generator
from kizu.synth.compose import inflate, shading
from kizu.synth.compose.backgrounds import Background, Backgrounds, Frame, frame_of
from kizu.synth.compose.blend import blend, over, reach
from kizu.synth.compose.change import label
from kizu.synth.compose.flaws.make import make
from kizu.synth.compose.ground import Ground
from kizu.synth.compose.linear import LUMINANCE
from kizu.synth.compose.paste import Pasted, warp, warp_object
from kizu.synth.compose.segment import OBJECT, Segment
from kizu.synth.compose.sensor import expose
from kizu.synth.compose.spec import Layer, Scene
from kizu.synth.compose.stock import Stock

VISIBLE = "contrast_to_noise"  # attribute of what is labelled by its change
_RIM = 2  # pixels around a defect's outline that come along: outlines are drawn tight
_THIN = 0.3  # coverage from which a pixel belongs to a defect: a line that shrinks covers no pixel by half
_AWAY = 1.5  # pixels of blur in which the eye looks at a change
_MARGIN = 1  # pixels around an object's own box in which its edge is drawn
_SHARP = 0.3  # pixels of defocus that show
_APART = 3  # pixels from a defect to what counts as surface without defect


@dataclass
class Drawn:
    """What a layer left in the picture.

    Attributes:
        label: name of its class.
        layer: its number in the scene, -1 for what was on the background already.
        x, y: corner of the masks in the frame.
        mask: bool (h, w), what is to be labelled, before later layers hide some of it.
        planned: bool (h, w), what was meant to be changed.
        attributes: what is known of it.
    """

    label: str
    layer: int
    x: int
    y: int
    mask: np.ndarray
    planned: np.ndarray
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Rendered:
    """A picture.

    Attributes:
        image: uint8 (H, W, 3).
        drawn: what was put in, in painting order.
        lost: (number of the layer, reason) of what left nothing.
    """

    image: np.ndarray
    drawn: list[Drawn]
    lost: list[tuple[int, str]]


def render(scene: Scene, stock: Stock | None, backgrounds: Backgrounds, by_change: bool = True) -> Rendered:
    """Draw a scene.

    Args:
        by_change: the label of a defect is what really changed; else the mask that was planned.

    Raises:
        DataError: a segment or a picture that the scene names cannot be read or is not there.
    """
    behind = backgrounds[backgrounds.number(scene.background)]
    there = frame_of(behind, scene.window, scene.size, scene.flips)
    drawn_on = any(layer.make == "drawn" for layer in scene.layers)
    clean = there.light.copy() if drawn_on else None
    frame = _Frame(scene, behind, there, np.zeros(scene.size, np.float32), by_change, clean)
    drawn, lost = [_already(name, mask) for name, mask in zip(there.labels, there.masks, strict=True)], []
    for k, layer in enumerate(scene.layers):
        if layer.make:
            done = _made(frame, layer, backgrounds)
        else:
            row = stock.find(layer.segment)
            segment = stock.segment(row)
            draw = _object if segment.kind == OBJECT else _defect
            done = draw(frame, layer, segment, stock.noise(row))
        if isinstance(done, str):
            lost.append((k, done))
        else:
            done.layer = k
            drawn.append(done)
    blur = float(scene.camera.get("blur", 0.0))
    if blur:
        # The blur takes most of the noise with it, of the picture behind as well.
        left = 1 / (4 * math.pi * blur**2 + 1)
        frame.missing += np.float32((1 - left) * behind.noise**2)
    image = expose(
        frame.there.light, frame.missing, blur, behind.grey, generator(scene.camera.get("seed", 0), Stream.PASTE)
    )
    return Rendered(image, drawn, lost)


@dataclass
class _Frame:
    scene: Scene
    behind: Background
    there: Frame
    missing: np.ndarray
    by_change: bool
    clean: np.ndarray | None

    def ground(self, other: np.ndarray | None) -> Ground:
        sun_x, sun_y, ambient = self.behind.sun
        across, down = (-1 if turned else 1 for turned in self.scene.flips)
        return Ground(
            self.there.light, self.there.part, self.behind.noise, (across * sun_x, down * sun_y, ambient), other,
            self.clean,
        )  # fmt: skip

    def lacks(self, pasted: Pasted, own: float, scale: float, changed: np.ndarray) -> None:
        """Note the noise that is missing where something was put in.

        Args:
            own: deviation of the noise that it had; where it shrinks, less is left.
            scale: of its sides.
        """
        lack = max(self.behind.noise**2 - (own * min(scale, 1.0)) ** 2, 0.0)
        _raise(self.missing[pasted.slices], changed, np.float32(lack))


@jit
def _raise(values, where, least):
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            if where[i, j] and values[i, j] < least:
                values[i, j] = least


def _already(name: str, mask: np.ndarray) -> Drawn:
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    crop = mask[y : y + height, x : x + width]
    return Drawn(name, -1, x, y, crop, crop)


def _object(frame: _Frame, layer: Layer, segment: Segment, noise: float) -> Drawn | str:
    scale = _scale(layer.affine)
    extent = math.sqrt(max(np.count_nonzero(segment.mask), 1)) * scale
    light, defocus = frame.scene.light, layer.light.get("defocus", 0.0)
    pasted = warp_object(segment, layer.affine, frame.scene.size, _MARGIN)
    if pasted is None or not (pasted.alpha >= 0.5).any():
        return "outside the frame"
    margin = math.ceil(3 * defocus) if defocus > _SHARP else reach(layer.blend)
    pasted = pasted.widened(max(margin - _MARGIN, 0), frame.scene.size)
    mask = pasted.alpha >= 0.5
    _shadow(frame, pasted, extent)
    s, alpha = pasted.slices, pasted.alpha
    box = (pasted.x, pasted.y, pasted.x + alpha.shape[1], pasted.y + alpha.shape[0])
    base, cover = frame.there.light[s], shading.coarse(alpha)
    gain = shading.at(frame.there.field, frame.scene.size, box, cover.shape)
    relief = inflate.inflated(cover, light, max(cover.shape) / max(alpha.shape))
    paste = shading.as_object(pasted.light, cover, base, gain, layer.light, relief)
    if defocus > _SHARP:
        # What is out of focus spreads over its own edge.
        soft = cv2.GaussianBlur(alpha, (0, 0), defocus)
        spread = cv2.GaussianBlur(paste * alpha[:, :, None], (0, 0), defocus)
        joined = over(base, spread / np.maximum(soft, 1e-3)[:, :, None], soft)
    else:
        joined = blend(base, paste, alpha, layer.blend)
    frame.lacks(pasted, noise, scale, mask)
    frame.there.light[s] = joined
    return Drawn(layer.label, 0, pasted.x, pasted.y, mask, mask)


def _shadow(frame: _Frame, pasted: Pasted, extent: float) -> None:
    """Darken what an object is about to be put on."""
    left, above, right, below = inflate.reach(frame.scene.light, extent)
    height, width = pasted.alpha.shape
    x, y = max(pasted.x - left, 0), max(pasted.y - above, 0)
    around = frame.there.light[y : pasted.y + height + below, x : pasted.x + width + right]
    inflate.shadow(around, pasted.alpha, frame.scene.light, extent, (pasted.x - x, pasted.y - y))


def _defect(frame: _Frame, layer: Layer, segment: Segment, noise: float) -> Drawn | str:
    pasted = warp(segment, layer.affine, frame.scene.size, _APART)
    if pasted is None:
        return "outside the frame"
    s = pasted.slices
    part = frame.there.part[s]
    planned = (pasted.alpha >= _THIN) & part
    if not planned.any():
        return "outside the part"
    base = frame.there.light[s]
    near = cv2.dilate(pasted.alpha, np.ones((3, 3), np.uint8), iterations=_APART)
    paste = shading.as_defect(pasted.light, (near < 0.1) & pasted.known, base, layer.light)
    rim = cv2.dilate(pasted.alpha, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _RIM + 1,) * 2))
    rim *= pasted.known & part
    joined = blend(base, paste, rim, layer.blend)
    joined = np.where(pasted.known[:, :, None] & part[:, :, None], joined, base)
    done = _settle(frame, layer, pasted, joined, planned)
    if isinstance(done, Drawn):
        frame.lacks(pasted, noise, _scale(layer.affine), rim >= 0.5)
    return done


def _made(frame: _Frame, layer: Layer, backgrounds: Backgrounds) -> Drawn | str:
    other = None
    if layer.other:
        other = backgrounds[backgrounds.number(layer.other)].light
    random = generator(layer.seed, Stream.PASTE)
    more = {name: layer.light[name] for name in ("type", "recipe") if name in layer.light}
    change = make(layer.make, frame.ground(other), layer.at, layer.area, random, **more)
    if change is None or not change.planned.any():
        return f"{layer.make} does not go there"
    pasted = Pasted(change.x, change.y, change.light, change.planned.astype(np.float32), change.planned)
    done = _settle(frame, layer, pasted, change.light, change.planned)
    if isinstance(done, Drawn):
        done.attributes |= change.attributes
    return done


def _settle(frame: _Frame, layer: Layer, pasted: Pasted, joined: np.ndarray, planned: np.ndarray) -> Drawn | str:
    """Keep a change that can be seen, and label it."""
    base = frame.there.light[pasted.slices]
    found = label(base, joined, planned, frame.behind.noise)
    if found is None or (layer.make and not _stands_out(base, joined, found.mask)):
        return "not to be seen"
    frame.there.light[pasted.slices] = joined
    attributes = {VISIBLE: round(float(found.contrast_to_noise), 3), "share": round(float(found.share), 3)}
    mask = found.mask if frame.by_change else planned
    return Drawn(layer.label, 0, pasted.x, pasted.y, mask, planned, attributes)


def _stands_out(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> bool:
    """Whether a change shows against the texture of the surface: another piece of the same grain does not.

    Both are looked at from a little away: the mean change must not be smaller than what the surface varies by.
    """
    seen = np.sqrt(before @ LUMINANCE), np.sqrt(after @ LUMINANCE)
    was, now = (cv2.GaussianBlur(v, (0, 0), _AWAY) for v in seen)
    texture = float((was - cv2.GaussianBlur(was, (0, 0), 4 * _AWAY)).std())
    return float(np.abs(now - was)[mask].mean()) >= texture


def _scale(affine: tuple[float, ...]) -> float:
    a, b, _, d, e, _ = affine
    return math.sqrt(abs(a * e - b * d))
