"""Pictures whose segments are known, for the tests of cutting and of banks: discs, drawn with exact coverage."""

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.synth.compose.linear import from_linear, to_linear

SIZE = (96, 128)
RED, GREY = (200, 40, 30), (90, 95, 100)
NAMES = ("bolt", "scratch")


def coverage(size, x, y, radius, fine=8):
    """Share of each pixel inside a disc, float64, by counting 64 points of each."""
    steps = (np.arange(fine) + 0.5) / fine
    rows = (np.arange(size[0])[:, None] + steps).ravel() - y
    columns = (np.arange(size[1])[:, None] + steps).ravel() - x
    inside = rows[:, None] ** 2 + columns**2 <= radius**2
    return inside.reshape(size[0], fine, size[1], fine).mean((1, 3))


def disc_sample(
    discs=((60.3, 50.6, 20.0),), id="a.png", colour=RED, ground=GREY, noise=0.0, labels=None, seed=0, size=SIZE, **more
):
    """A sample of discs (x, y, radius) of one colour on another, mixed in linear light as optics mix them."""
    random = np.random.default_rng(seed)
    light = np.broadcast_to(to_linear(np.array(ground, np.uint8)), (*size, 3))
    masks = []
    for x, y, radius in discs:
        share = coverage(size, x, y, radius)
        light = share[..., None] * to_linear(np.array(colour, np.uint8)) + (1 - share[..., None]) * light
        masks.append(share >= 0.5)
    image = from_linear(light)
    if noise:
        image = np.clip(np.rint(image + random.normal(0, noise, image.shape)), 0, 255).astype(np.uint8)
    found = Instances(
        np.zeros(len(discs), int) if labels is None else labels,
        masks=Masks.from_dense(np.array(masks, bool).reshape(-1, *size), size),
        attributes={"tone": ["dark"] * len(discs)},
    )
    return Sample(id, image, found, **({"split": "train"} | more))


class Many:
    """A data set source of ``count`` pictures of three discs each; picklable, so that workers can read it."""

    def __init__(self, count, broken=(), hang=()):
        self.count, self.broken, self.hang = count, broken, hang
        self.ids = [f"{i:03d}.png" for i in range(count)]
        self.splits = ["train" if i // 2 % 2 else "val" for i in range(count)]

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        random = np.random.default_rng(i)
        discs = [(20 + 40 * k + random.uniform(-3, 3), 40 + random.uniform(-9, 9), 6 + 3 * k) for k in range(3)]
        more = {"split": self.splits[i], "group": f"part {i // 2}", "noise": 2.0, "seed": i, "labels": [0, 1, 0]}
        sample = disc_sample(discs, self.ids[i], **more)
        return sample.replace(image=b"no picture", size=SIZE) if i in self.broken else sample


def many(count, **more):
    """The same as a data set."""
    return Dataset(Many(count, **more), NAMES, {"licence": "CC0"})
