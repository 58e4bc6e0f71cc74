"""Small banks of shapes whose geometry is known."""

import numpy as np

from kizu.core.masks import Masks
from kizu.synth.compose.layouts.placement import silhouette
from kizu.synth.compose.layouts.shapes import Shapes
from kizu.synth.elongation import elongations, orientations


def disc(width, height):
    """A filled ellipse, bool (height, width)."""
    y, x = np.mgrid[:height, :width]
    return ((2 * x + 1) / width - 1) ** 2 + ((2 * y + 1) / height - 1) ** 2 <= 1


def shapes_of(masks, labels=None, names=("a", "b", "c"), defect=False, mm=np.nan, frame=(100, 100)):
    """A bank of these masks, measured here."""
    labels = np.zeros(len(masks), np.int32) if labels is None else np.array(labels, np.int32)
    long, turn = [], []
    for mask in masks:
        one = Masks.from_dense(mask[None])
        long.append(float(elongations(_instances(one))[0]))
        turn.append(float(orientations(one)[0]))
    return Shapes(
        names, labels, np.array([m.shape[1] for m in masks]), np.array([m.shape[0] for m in masks]),
        np.array([m.sum() for m in masks]), np.tile(frame, (len(masks), 1)), np.ones((len(masks), 2), int),
        np.array(turn), np.array(long), np.full(len(masks), defect), np.broadcast_to(np.asarray(mm, float), len(masks)),
        masks.__getitem__,
    )  # fmt: skip


def _instances(masks):
    from kizu.core.instances import Instances

    return Instances(np.zeros(len(masks), int), masks=masks)


def mixed(count=24, seed=0, **options):
    """Ellipses and blocks of many sizes, three classes."""
    random = np.random.default_rng(seed)
    masks = []
    for k in range(count):
        width, height = (int(v) for v in random.integers(12, 120, 2))
        masks.append(disc(width, height) if k % 2 else np.ones((height, width), bool))
    return shapes_of(masks, np.arange(count) % 3, **options)


def pieces_of(shapes, placements, size):
    """The silhouettes of a layout, in painting order."""
    return [silhouette(shapes.mask(p.row), p.affine, size) for p in placements]
