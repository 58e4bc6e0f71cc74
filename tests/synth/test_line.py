"""The granite line: a picture is a function of its seed and number, and its masks are what was drawn."""

import hashlib

import cv2
import numpy as np
import pytest

from kizu.core.instances import Instances
from kizu.core.seeds import Stream, generator
from kizu.synth import line as module
from kizu.synth.line import NAMES, Line, product_line

SIZE = 96


def digest(sample):
    found: Instances = sample.instances
    parts = [sample.id, sample.split, sample.image.tobytes(), found.labels.tobytes(), *found.masks.codes()]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def test_a_picture_depends_on_seed_and_number_alone():
    forward = [digest(sample) for sample in Line(6, 6, SIZE, 3)]
    again = Line(6, 6, SIZE, 3)
    backward = {i: digest(again[i]) for i in reversed(range(12))}
    assert forward == [backward[i] for i in range(12)]
    assert len(set(forward)) == 12
    longer = Line(6, 40, SIZE, 3)
    assert [digest(longer[i]) for i in range(12)] == forward, "more pictures do not change the first ones"
    other = Line(6, 6, SIZE, 4)
    assert not set(forward) & {digest(sample) for sample in other}


def test_splits_names_and_sizes():
    data = product_line(5, 4, 64)
    assert len(data) == 9
    assert data.names == NAMES
    assert data.splits == {"train": 5, "test": 4}
    assert len(set(data.ids)) == 9
    assert data.info["licence"]
    for sample in data:
        assert sample.image.shape == (64, 64, 3)
        assert sample.image.dtype == np.uint8
        assert sample.instances.masks.size == (64, 64)


@pytest.fixture(scope="module")
def many():
    line = Line(80, 0, SIZE, 0)
    return line, [line[i] for i in range(80)]


def test_good_and_bad_in_turn(many):
    _, samples = many
    for i, sample in enumerate(samples):
        assert bool(len(sample.instances)) == bool(i % 2)
    labels = np.concatenate([sample.instances.labels for sample in samples])
    assert (np.bincount(labels, minlength=3) >= 10).all()


def test_masks_do_not_overlap(many):
    for sample in many[1]:
        masks = sample.instances.masks
        assert masks.area.sum() == masks.union().sum()
        assert (masks.area >= 12).all()


def test_masks_are_what_was_drawn(many):
    """The same surface under the same camera, without the defects, differs where the masks are and nowhere else."""
    line, samples = many
    for i, sample in enumerate(samples):
        bare = module._granite(SIZE, generator(0, Stream.LINE_SURFACE, i))
        bare = line._expose(bare, generator(0, Stream.LINE_CAMERA, i))
        off = np.abs(sample.image.astype(int) - bare).max(2)
        if i % 2 == 0:
            assert not off.any()
            continue
        drawn = sample.instances.masks.union()
        assert (off[drawn] > 4).mean() > 0.5
        # Blur and the slopes of a chip reach a little farther.
        near = cv2.dilate(drawn.astype(np.uint8), np.ones((9, 9))).astype(bool)
        assert off[~near].max(initial=0) < 20, f"something was drawn on picture {i} that no mask tells of"
        assert off[~cv2.dilate(drawn.astype(np.uint8), np.ones((33, 33))).astype(bool)].max(initial=0) <= 2
        for k in range(len(sample.instances)):
            mask = sample.instances.masks.dense(k)
            assert off[mask].mean() > 3 * off[~near].mean()


def test_pictures_are_well_exposed(many):
    for sample in many[1]:
        assert 60 < sample.image.mean() < 220
        assert sample.image.std() > 8
        assert ((sample.image == 0) | (sample.image == 255)).mean() < 0.02
