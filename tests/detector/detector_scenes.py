"""Small labelled pictures: dark discs and bright bars on noise, whose masks are known."""

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.detector.pictures import choose_pictures

NAMES = ("disc", "bar")


def picture(seed, kinds, size=(64, 80), masks=True, **fields):
    """A picture with one defect of each of ``kinds`` (labels), at places that the seed draws."""
    random = np.random.default_rng(seed)
    image = random.normal(140, 5, (*size, 1)).repeat(3, 2)
    shapes = []
    rows, columns = np.mgrid[: size[0], : size[1]]
    for kind in kinds:
        y, x = random.integers(12, size[0] - 12), random.integers(14, size[1] - 14)
        shape = (
            (rows - y) ** 2 + (columns - x) ** 2 <= 49 if kind == 0 else (abs(rows - y) < 3) & (abs(columns - x) < 12)
        )
        image[shape] += -70 if kind == 0 else 70
        shapes.append(shape)
    made = Masks.from_dense(shapes, size)
    found = Instances(list(kinds), None if masks else made.boxes, made if masks else None)
    return Sample(f"{seed}.png", image.clip(0, 255).astype(np.uint8), found, **fields)


def product(count=12, split="", first=0, names=NAMES, **options):
    """Samples with a disc, a bar, both and nothing, in turn."""
    kinds = [(0,), (1,), (0, 1), ()]
    return [picture(first + i, kinds[i % 4], split=split, **options) for i in range(count)]


def dataset(*parts, names=NAMES):
    """A data set of samples."""
    return Dataset([sample for part in parts for sample in part], names)


def chosen(data, **options):
    """Pictures of a fit, with the defaults of the command line."""
    given = {"val": None, "split": None, "classes": None, "clean": None, "empty_is_clean": True, "masks": True}
    given |= {"model": "kizu-dense", "false_alarms": 0.05, "seed": 0, "skips": Skips()} | options
    return choose_pictures(data, **given)
