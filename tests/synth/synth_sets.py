"""Small data sets for the tests of statistics, card, sheet and fit: discs and bars of known size on noise."""

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample

NAMES = ("disc", "bar")


def picture(rng, size=(96, 128), level=120.0, noise=3.0, sizes=(10,), step=30.0, tint=(1.0, 1.0, 1.0)):
    """A sample: alternately a disc and a bar of each ``sizes`` (square root of the area), brighter by ``step``."""
    grey = rng.normal(level, noise, size)
    y, x = np.indices(size) + 0.5
    taken = np.zeros(size, bool)
    masks, labels = [], []
    for k, side in enumerate(sizes):
        for _ in range(60):
            cy, cx = rng.uniform(0, 1, 2) * size
            if k % 2:
                long, wide = side * 2, side / 2
                mask = (abs(x - cx) <= long / 2) & (abs(y - cy) <= wide / 2)
            else:
                mask = np.hypot(x - cx, y - cy) <= side / np.sqrt(np.pi)
            if mask.any() and not (mask & taken).any():
                break
        else:
            continue
        taken |= mask
        grey[mask] += step
        masks.append(mask)
        labels.append(k % 2)
    image = np.clip(np.round(grey[:, :, None] * np.array(tint)), 0, 255).astype(np.uint8)
    found = Instances(labels, masks=Masks.from_dense(masks, size)) if masks else Instances.empty(size)
    return image, found


def dataset(count=12, seed=0, info=None, labelled=True, **options):
    """``count`` pictures; every third has no instance."""
    samples = []
    for k in range(count):
        rng = np.random.default_rng([seed, k])
        image, found = picture(rng, **(options if k % 3 else options | {"sizes": ()}))
        samples.append(Sample(f"{k}.png", image, found, labelled=labelled))
    return Dataset(samples, NAMES, info)
