"""Windows against plain slicing of dense arrays."""

import numpy as np
import pytest
from detector_scenes import picture

from kizu.core.instances import Instances
from kizu.detector.windows import Window, boxes_of, cut, draw_window, squared

WINDOWS = [Window(0, 0, 64, 80), Window(10, 20, 30, 40), Window(-8, -5, 90, 100), Window(50, 60, 40, 40)]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_a_window_is_a_slice_of_the_padded_picture(window, seed):
    sample = picture(seed, (0, 1, 0))
    found = sample.instances
    image, boxes, labels, masks = cut(sample.image, found, window)
    pad = ((20, 60), (20, 60))
    rows, columns = (
        slice(window.top + 20, window.top + 20 + window.height),
        slice(window.left + 20, window.left + 20 + window.width),
    )
    dense = [np.pad(found.masks.dense(i), pad)[rows, columns] for i in range(3)]
    kept = [i for i in range(3) if dense[i].any()]
    assert labels.tolist() == found.labels[kept].tolist()
    assert masks.shape == (len(kept), window.height, window.width)
    assert all((masks[k] == dense[i]).all() for k, i in enumerate(kept))
    assert (boxes == boxes_of(masks)).all()
    there = np.pad(np.ones(sample.size, bool), pad)[rows, columns]
    whole = np.pad(sample.image, (*pad, (0, 0)))[rows, columns]
    assert (image[there] == whole[there]).all()
    assert (image[~there] == np.round(sample.image.reshape(-1, 3).mean(0))).all()


def test_boxes_alone_are_cut_at_the_rim():
    found = Instances([0, 1, 1], np.array([[5, 5, 20, 20], [40, 30, 60, 50], [0, 0, 4, 4]], float))
    _, boxes, labels, masks = cut(np.zeros((64, 80, 3), np.uint8), found, Window(10, 10, 30, 40))
    assert masks is None
    assert boxes.tolist() == [[0, 0, 10, 10], [30, 20, 40, 30]]
    assert labels.tolist() == [0, 1]


@pytest.mark.parametrize("shape", [(64, 80), (400, 300), (33, 1000)], ids=str)
def test_drawn_windows_lie_on_the_picture_or_hold_it(shape):
    random = np.random.default_rng(0)
    sides = []
    for _ in range(200):
        window = draw_window(random, shape, np.zeros((0, 4)), 96)
        for start, length, whole in ((window.top, window.height, shape[0]), (window.left, window.width, shape[1])):
            assert (start >= 0 and start + length <= whole) or (start <= 0 and start + length >= whole)
        sides.append(np.sqrt(window.height * window.width))
    assert min(sides) < 80
    assert max(sides) <= 96 / 0.7 * 1.02


def test_most_windows_show_a_part_of_an_instance():
    random, box = np.random.default_rng(0), np.array([[800.0, 700, 830, 720]])
    seen = 0
    for _ in range(300):
        w = draw_window(random, (1000, 1000), box, 128)
        seen += w.left < 830 and w.left + w.width > 800 and w.top < 720 and w.top + w.height > 700
    assert 0.7 < seen / 300 < 0.85


def test_squared():
    sample = picture(2, (0, 1))
    image, (found,) = squared(sample.image, [sample.instances])
    assert image.shape == (80, 80, 3)
    assert found.masks.size == (80, 80)
    assert (image[8:72] == sample.image).all()
    assert (found.masks.dense(0)[8:72] == sample.instances.masks.dense(0)).all()
