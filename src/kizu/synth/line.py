"""A small product line for demonstrations and tests: granite tiles with scratches, stains and chips.

The surface is a photograph (gravel, CC0, bundled with scikit-image), laid over itself until it looks like polished
granite; the defects are drawn at four times the resolution, so that image and mask come from the same geometry.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.core.seeds import Stream, generator

NAMES = ("scratch", "stain", "chip")
_FINE = 4  # sub-pixels a side


@lru_cache
def _photograph() -> np.ndarray:
    from skimage import data

    return data.gravel().astype(np.float32) / 255.0


def _granite(size: int, random: np.random.Generator) -> np.ndarray:
    """float32 (size, size, 3) in 0..1: three crops of the photograph at other scales and turns, mixed and tinted."""
    total = np.zeros((size, size), np.float32)
    for weight, low, high in ((0.5, 0.45, 0.6), (0.3, 0.8, 1.0), (0.2, 0.3, 0.4)):
        angle, scale = random.uniform(0, 360), random.uniform(low, high)
        middle = random.uniform(150, 362, 2)
        turn = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), angle, scale)
        turn[:, 2] += size / 2 - middle
        crop = cv2.warpAffine(_photograph(), turn, (size, size), borderMode=cv2.BORDER_REFLECT_101)
        total += weight * (crop - crop.mean()) / (crop.std() + 1e-6)
    tint = np.array([1.0, 0.985, 0.955], np.float32) + random.normal(0, 0.006, 3).astype(np.float32)
    return (0.58 + 0.075 * total)[:, :, None] * tint


def _noise(size: int, scale: float, random: np.random.Generator) -> np.ndarray:
    """Smooth noise float32 (size, size) of mean 0 and deviation 1; ``scale`` = size of its bumps in pixels."""
    cells = max(int(size / scale) + 3, 4)
    coarse = random.normal(size=(cells, cells)).astype(np.float32)
    smooth = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return (smooth - smooth.mean()) / (smooth.std() + 1e-6)


def _cover(fine: np.ndarray, size: int) -> np.ndarray:
    return cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)


def _scratch(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw a bent line with a bright ridge and a dark lip; returns its coverage (size, size)."""
    size = image.shape[0]
    start, angle = random.uniform(0.2, 0.8, 2) * size, random.uniform(0, 2 * np.pi)
    length, width = random.uniform(0.25, 0.6) * size, random.uniform(1.6, 3.2)
    bend = random.normal(0, 0.5)
    t = np.linspace(-0.5, 0.5, 60)
    heading = angle + bend * t
    points = start + length / 59 * np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1), 0)
    points -= points.mean(0) - start
    shift = round(0.6 * width * _FINE)

    def line(offset: float, thickness: float) -> np.ndarray:
        fine = np.zeros((size * _FINE, size * _FINE), np.float32)
        moved = (points + offset * np.array([-np.sin(angle), np.cos(angle)])) * _FINE
        cv2.polylines(fine, [np.round(moved).astype(np.int32)], False, 1.0, max(int(thickness * _FINE), 1))
        return _cover(fine, size)

    ridge, lip = line(0, width * 0.7), line(shift / _FINE, width * 0.6)
    strength = random.uniform(0.14, 0.3)
    image += (strength * ridge - 0.7 * strength * lip)[:, :, None]
    return np.maximum(ridge, lip)


def _blob(size: int, radius: float, rough: float, random: np.random.Generator) -> np.ndarray:
    """Coverage of a random closed outline: a radial contour with a few harmonics."""
    angles = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    radii = np.ones(120)
    for k in range(2, 9):
        radii += rough / k * random.normal() * np.cos(k * angles + random.uniform(0, 2 * np.pi))
    radii = radius * np.clip(radii, 0.35, 1.9)
    middle = random.uniform(0.15, 0.85, 2) * size
    stretch = random.uniform(0.7, 1.3)
    points = middle + np.stack([radii * stretch * np.cos(angles), radii / stretch * np.sin(angles)], 1)
    fine = np.zeros((size * _FINE, size * _FINE), np.float32)
    cv2.fillPoly(fine, [np.round(points * _FINE).astype(np.int32)], 1.0)
    return _cover(fine, size)


def _stain(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Darken a soft patch as a liquid does, with a rim; returns its coverage."""
    size = image.shape[0]
    cover = _blob(size, random.uniform(0.05, 0.12) * size, 0.5, random)
    soft = cv2.GaussianBlur(cover, (0, 0), 1.5)
    rim = np.clip(soft - cv2.GaussianBlur(cover, (0, 0), 5), 0, 1)
    colour = np.array([0.62, 0.7, 0.82], np.float32) * random.uniform(0.6, 1.0)
    depth = soft * (0.24 + 0.05 * _noise(size, 12, random)) + 0.2 * rim
    image *= 1 - depth[:, :, None] * colour
    return cover


def _chip(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Break out a shallow hollow: its slopes catch or lose the light, its ground is bare; returns its coverage."""
    size = image.shape[0]
    cover = _blob(size, random.uniform(0.02, 0.055) * size, 0.9, random)
    depth = cv2.GaussianBlur(cover, (0, 0), 1.8) * (1 + 0.35 * _noise(size, 5, random))
    angle = random.uniform(0, 2 * np.pi)
    slope = cv2.Sobel(depth, cv2.CV_32F, 1, 0) * np.cos(angle) + cv2.Sobel(depth, cv2.CV_32F, 0, 1) * np.sin(angle)
    bare = np.array([0.66, 0.65, 0.63], np.float32)
    image *= 1 - 0.55 * cover[:, :, None]
    image += 0.55 * cover[:, :, None] * bare
    image += (0.16 * slope * np.maximum(cover, cv2.GaussianBlur(cover, (0, 0), 1)))[:, :, None]
    return cover


_DRAW = {"scratch": _scratch, "stain": _stain, "chip": _chip}


class Line(Sequence):
    """The pictures of the line as a source of samples: picture i is a function of (seed, i) alone.

    The pictures are numbered good and bad in turn within each split: ``train`` first, then ``test``.
    """

    def __init__(self, train: int, test: int, size: int = 256, seed: int = 0):
        """
        Args:
            train, test: pictures of each split, half of them with defects.
            size: height and width in pixels.
            seed: of the whole line.
        """
        self.splits = ["train"] * train + ["test"] * test
        self.size = size
        self.seed = seed

    def __len__(self) -> int:
        return len(self.splits)

    def __getitem__(self, i: int) -> Sample:
        image = _granite(self.size, generator(self.seed, Stream.LINE_SURFACE, i))
        random = generator(self.seed, Stream.LINE_DEFECT, i)
        labels, covers = [], []
        for _ in range(int(random.integers(1, 4)) if i % 2 else 0):
            label = int(random.integers(len(NAMES)))
            cover = _DRAW[NAMES[label]](image, random) >= 0.5
            taken = np.any(covers, axis=0) if covers else np.zeros_like(cover)
            if (cover & ~taken).sum() >= 12:
                labels.append(label)
                covers.append(cover & ~taken)
        masks = Masks.from_dense(covers, size=(self.size, self.size))
        photo = self._expose(image, generator(self.seed, Stream.LINE_CAMERA, i))
        name = f"tile_{i:04d}.png"
        return Sample(name, photo, Instances(labels, masks=masks), split=self.splits[i], source="granite line")

    def _expose(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Uneven light, a little blur, photon and read noise: uint8 (size, size, 3)."""
        y, x = np.mgrid[0 : self.size, 0 : self.size].astype(np.float32) / self.size - 0.5
        angle = random.uniform(0, 2 * np.pi)
        light = 1 + random.uniform(0.03, 0.14) * (x * np.cos(angle) + y * np.sin(angle)) - 0.12 * (x * x + y * y)
        seen = cv2.GaussianBlur(image * (light * random.uniform(0.93, 1.07))[:, :, None], (0, 0), 0.6)
        noise = random.normal(size=seen.shape).astype(np.float32)
        seen = seen + noise * np.sqrt(np.maximum(seen, 0) * 1e-4 + 4e-5)
        return np.round(np.clip(seen, 0, 1) * 255).astype(np.uint8)


def product_line(train: int = 60, test: int = 60, size: int = 256, seed: int = 0) -> Dataset:
    """The granite line as a data set; samples are made when they are asked for."""
    info = {"title": "granite line", "licence": "CC0 (surface photograph) and Apache-2.0", "origin": "made by Kizu"}
    return Dataset(Line(train, test, size, seed), NAMES, info)
