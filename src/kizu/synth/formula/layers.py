"""``Layers``: a surface before light falls on it. ``Mark``: what a defect changes on it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from kizu.core.jit import jit
from kizu.synth.formula.raster import Cover


@dataclass
class Layers:
    """What a surface is made of, one value a pixel.

    Attributes:
        height: float32 (H, W), towards the camera, in pixels.
        albedo: float32 (H, W, C), linear reflectance 0..1; C = 1 (grey pictures) or 3 (RGB).
        roughness: float32 (H, W), 0 a mirror .. 1 matt.
        metal: float32 (H, W), 0 a dielectric (diffuse, white highlights) .. 1 a metal (highlights of its own colour).
        shadow: float32 (H, W), share of direct light that arrives, 0..1.
    """

    height: np.ndarray
    albedo: np.ndarray
    roughness: np.ndarray
    metal: np.ndarray
    shadow: np.ndarray

    @classmethod
    def flat(cls, size: tuple[int, int], albedo: np.ndarray, roughness: float, metal: float) -> Layers:
        """An even surface of (H, W); ``albedo`` (C,)."""
        albedo = np.asarray(albedo, np.float32)
        return cls(
            np.zeros(size, np.float32),
            np.ascontiguousarray(np.broadcast_to(albedo, (*size, len(albedo)))),
            np.full(size, roughness, np.float32),
            np.full(size, metal, np.float32),
            np.ones(size, np.float32),
        )

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.height.shape

    def at(self, cover: Cover) -> Layers:
        """Views of the box of a cover."""
        s = cover.slices
        return Layers(self.height[s], self.albedo[s], self.roughness[s], self.metal[s], self.shadow[s])

    def lay(self, other: Layers, cover: Cover) -> None:
        """Put another surface (of the size of the cover's box) on this one, in place, mixed by coverage."""
        here = self.at(cover)
        _lay(here.height, here.albedo, here.roughness, here.metal, here.shadow,
             other.height, other.albedo, other.roughness, other.metal, other.shadow, cover.alpha)  # fmt: skip


@jit
def _lay(h, a, r, m, s, oh, oa, orr, om, os, alpha):
    for i in range(alpha.shape[0]):
        for j in range(alpha.shape[1]):
            t = alpha[i, j]
            if t == 0:
                continue
            h[i, j] += t * (oh[i, j] - h[i, j])
            r[i, j] += t * (orr[i, j] - r[i, j])
            m[i, j] += t * (om[i, j] - m[i, j])
            s[i, j] += t * (os[i, j] - s[i, j])
            for c in range(a.shape[2]):
                a[i, j, c] += t * (oa[i, j, c] - a[i, j, c])


@dataclass
class Mark:
    """What one defect (or distractor) does to a surface, inside the box of its cover. None: it leaves that alone.

    The label's mask is the cover's alone. The other fields may reach beyond it within the box (lips, halos), so the box
    is as large as the largest of them.

    Attributes:
        cover: the geometry that is labelled.
        height: float32 (h, w), added to the height, pixels.
        gain: float32 (h, w) or (h, w, 3), multiplies the albedo (a stain lets part of the light through).
        mix: float32 (h, w), share in which another material (``albedo``, ``roughness``, ``metal``) takes the place.
        albedo: (3,) linear RGB or (h, w, 3), of that material.
        roughness, metal: of that material.
        cut: float32 (h, w), share of the part that is gone: what lies beneath is seen (a chip, a missing corner).
        grow: float32 (h, w), coverage by which the part grows beyond its outline (a burr).
        type: name of the defect type.
        attributes: what else is known of it (JSON-able).
    """

    cover: Cover
    height: np.ndarray | None = None
    gain: np.ndarray | None = None
    mix: np.ndarray | None = None
    albedo: np.ndarray | None = None
    roughness: float | None = None
    metal: float | None = None
    cut: np.ndarray | None = None
    grow: np.ndarray | None = None
    type: str = ""
    attributes: dict = field(default_factory=dict)

    def scaled(self, strength: float) -> Mark:
        """The same mark, weaker or stronger: what it changes is multiplied, its geometry stays."""

        def times(values: np.ndarray | None, rest: float) -> np.ndarray | None:
            return None if values is None else (rest + np.float32(strength) * (values - rest)).astype(np.float32)

        gain, mix = times(self.gain, 1.0), times(self.mix, 0.0)
        return replace(
            self,
            height=times(self.height, 0.0),
            gain=None if gain is None else np.clip(gain, 0, 4),
            mix=None if mix is None else np.clip(mix, 0, 1),
        )

    def apply(self, layers: Layers, clip: Cover | None = None) -> None:
        """Change a whole-frame surface in place.

        Args:
            clip: where the surface lies that the defect belongs to; nothing changes outside. None: everywhere.
        """
        cover = self.cover
        if not cover.alpha.size:
            return
        if clip is None:
            x, y, share = cover.x, cover.y, np.ones_like(cover.alpha)
        else:
            shared = Cover(cover.x, cover.y, np.ones_like(cover.alpha)).within(clip)
            x, y, share = shared.x, shared.y, shared.alpha
            if not share.size:
                return
        window = (slice(y - cover.y, y - cover.y + share.shape[0]), slice(x - cover.x, x - cover.x + share.shape[1]))
        here = layers.at(Cover(x, y, share))
        channels = here.albedo.shape[2]

        def cut(values: np.ndarray | None) -> np.ndarray:
            return _NOTHING if values is None else np.ascontiguousarray(values[window], np.float32)

        if self.gain is not None:
            gain = self.gain[:, :, None] if self.gain.ndim == 2 else _channels(self.gain, channels)
            here.albedo *= 1 + share[:, :, None] * (gain[window] - 1)
        if self.mix is not None and self.albedo is not None:
            colour = _channels(np.asarray(self.albedo, np.float32), channels)
            colour = np.ascontiguousarray(colour[window] if colour.ndim == 3 else colour.reshape(1, 1, -1))
            _tint(here.albedo, share, cut(self.mix), colour)
        rough = np.float32(-1 if self.roughness is None else self.roughness)
        metal = np.float32(-1 if self.metal is None else self.metal)
        _change(here.height, here.roughness, here.metal, share, cut(self.height), cut(self.mix), rough, metal)


_NOTHING = np.zeros((0, 0), np.float32)


@jit
def _tint(albedo, share, mix, colour):
    """Mix the albedo (h, w, C) towards a colour (1, 1, C) or colours (h, w, C)."""
    rows, columns = colour.shape[0] > 1, colour.shape[1] > 1
    for i in range(share.shape[0]):
        for j in range(share.shape[1]):
            t = share[i, j] * mix[i, j]
            for c in range(albedo.shape[2]):
                albedo[i, j, c] += t * (colour[i if rows else 0, j if columns else 0, c] - albedo[i, j, c])


@jit
def _change(height, roughness, metal, share, rise, mix, to_rough, to_metal):
    """Add to the height and mix roughness and metal; empty arrays and values below 0 stand for nothing."""
    for i in range(share.shape[0]):
        for j in range(share.shape[1]):
            if rise.size:
                height[i, j] += share[i, j] * rise[i, j]
            if mix.size:
                t = share[i, j] * mix[i, j]
                if to_rough >= 0:
                    roughness[i, j] += t * (to_rough - roughness[i, j])
                if to_metal >= 0:
                    metal[i, j] += t * (to_metal - metal[i, j])


def _channels(colour: np.ndarray, channels: int) -> np.ndarray:
    """Linear RGB (..., 3) as it is, or as luminance (..., 1) (Rec. 709)."""
    if channels == colour.shape[-1]:
        return colour
    return (colour @ np.array([0.2126, 0.7152, 0.0722], np.float32))[..., None]
