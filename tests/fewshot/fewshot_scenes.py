"""Surfaces with dark discs, and the support of a fit from them."""

import numpy as np

from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.fewshot.support import choose_support


def supported(dataset, classes=None, shots=None, clean=None, seed=0):
    """The support of a fit from a data set; ``clean`` as in :func:`choose_support`."""
    return choose_support(dataset, classes, shots, clean, seed, Skips())


def surface(seed, spots=(), size=(64, 80), label=0, name=None):
    """Noise with dark discs of radius 6 at the places ``spots``."""
    image = np.random.default_rng(seed).normal(150, 6, (*size, 1)).repeat(3, 2)
    masks = []
    for y, x in spots:
        rows, columns = np.mgrid[: size[0], : size[1]]
        masks.append((rows - y) ** 2 + (columns - x) ** 2 <= 36)
        image[masks[-1]] -= 70
    found = Instances([label] * len(masks), masks=Masks.from_dense(masks, size))
    return Sample(name or f"{seed}.png", image.clip(0, 255).astype(np.uint8), found)
