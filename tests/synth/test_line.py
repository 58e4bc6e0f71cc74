"""The product line: one product in all pictures, each a function of its seed and number."""

import numpy as np
import pytest

from kizu.synth.line import Line, product_line

SIZE = 128


def key(sample):
    found = sample.instances
    return (sample.id, sample.split, sample.image_bytes(), found.labels.tobytes(), *found.masks.codes())


def test_a_picture_depends_on_seed_and_number_alone():
    forward = [key(sample) for sample in product_line(4, 3, SIZE, 3)]
    again = Line(4, 3, SIZE, 3)
    assert [again[i] and key(again[i]) for i in reversed(range(7))] == forward[::-1]
    longer = Line(4, 30, SIZE, 3)
    assert [key(longer[i]) for i in range(7)] == forward, "more pictures do not change the first ones"
    assert not {k[2] for k in forward} & {key(sample)[2] for sample in product_line(4, 3, SIZE, 4)}


def test_splits_names_and_sizes():
    data = product_line(5, 4, 64)
    assert data.names == ("scratch", "stain", "chip")
    assert data.splits == {"train": 5, "test": 4}
    assert len(set(data.ids)) == 9
    assert data.info["licence"]
    assert all(sample.size == (64, 64) and sample.image.shape == (64, 64, 3) for sample in data)


@pytest.mark.parametrize("seed", range(3))
def test_one_product_good_and_bad(seed):
    samples = list(product_line(30, 0, SIZE, seed))
    assert len({sample.meta["ground"] for sample in samples}) == 1
    assert len({sample.meta["light"] for sample in samples}) == 1
    bad = sum(len(sample.instances) > 0 for sample in samples)
    assert 6 <= bad <= 24
    means = np.array([sample.image.mean() for sample in samples])
    assert means.std() < 0.25 * means.mean()  # another day's light, the same station


def test_keys_of_the_preset_are_set():
    assert not any(len(sample.instances) for sample in product_line(6, 0, 64, scene__clean=1))
