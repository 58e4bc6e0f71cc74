"""Views of a picture: masks go where the pixels go."""

import cv2
import numpy as np
import pytest

from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.pretrain.augment import View, expose, look, random_view, steady_view

HEIGHT, WIDTH = 90, 120


def scene():
    """A picture whose instances are painted in colours of their own, and the instances."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    cv2.ellipse(image, (40, 35), (22, 9), 30, 0, 360, (255, 0, 0), -1)
    cv2.rectangle(image, (70, 50), (95, 80), (0, 255, 0), -1)
    cv2.circle(image, (80, 62), 6, (0, 255, 255), -1)  # on the rectangle
    masks = Masks.from_dense(np.stack([image[..., 0] > 0, image[..., 1] > 0, image[..., 2] > 0]))
    return image, Instances([0, 1, 2], masks=masks, parents=np.array([-1, -1, 1]))


def iou(a, b):
    return (a & b).sum() / max((a | b).sum(), 1)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize(
    ("x", "y", "part", "side"), [(20, 5, 80, 80), (20, 5, 80, 112), (30, 20, 70, 48), (60, 0, 60, 96)]
)
def test_masks_go_where_pixels_go(flip, turns, x, y, part, side):
    image, found = scene()
    shown, seen = look(image, found, View(x, y, part, turns, flip), side)
    assert shown.shape == (side, side, 3) and seen.masks.size == (side, side)
    for k in range(3):
        painted = shown[..., k] > 127
        mine = [i for i in range(len(seen)) if seen.labels[i] == k]
        assert len(mine) == (painted.sum() >= 4)
        if mine:
            assert iou(painted, seen.masks.dense(mine[0])) > (0.999 if part == side else 0.93)
            assert np.array_equal(seen.boxes[mine[0]], seen.masks.boxes[mine[0]])


def test_turns_and_flips_are_those_of_numpy():
    image, found = scene()
    plain, _ = look(image, found, View(10, 5, 64), 64)
    for turns in range(4):
        for flip in (False, True):
            shown, _ = look(image, found, View(10, 5, 64, turns, flip), 64)
            assert np.array_equal(shown, np.rot90(plain[:, ::-1] if flip else plain, turns))


def test_what_leaves_the_view_is_gone_and_parents_follow():
    image, found = scene()
    _, seen = look(image, found, View(60, 30, 60), 60)
    assert seen.labels.tolist() == [1, 2]
    assert seen.parents.tolist() == [-1, 0]
    _, seen = look(image, found, View(0, 0, 15), 32)
    assert len(seen) == 0 and seen.masks.size == (32, 32)


@pytest.mark.parametrize("size", [(64, 64), (90, 120), (30, 200), (500, 400)])
def test_random_views_lie_inside(size):
    nothing, one = Instances.empty(size), Instances([0], boxes=[[1, 1, 9, 9]])
    for number in range(200):
        for found in (nothing, one):
            view = random_view(size, found, 64, np.random.default_rng(number))
            assert view.x >= 0 and view.y >= 0 and view.side >= 1
            assert view.x + view.side <= size[1] and view.y + view.side <= size[0]
    assert steady_view(size, nothing, 64).side == min(64, *size)


def test_views_are_laid_around_instances():
    size, found = (2000, 2000), Instances([0], boxes=[[1500, 300, 1510, 310]])
    views = [random_view(size, found, 64, np.random.default_rng(number)) for number in range(300)]
    hit = np.mean([v.x < 1510 and v.x + v.side > 1500 and v.y < 310 and v.y + v.side > 300 for v in views])
    assert 0.4 < hit < 0.6  # by chance alone it would be a thousandth


def test_exposure_is_a_function_of_the_generator():
    image = np.random.default_rng(0).integers(60, 180, (HEIGHT, WIDTH, 3), np.uint8)
    before = image.copy()
    same = [expose(image, np.random.default_rng(5)) for _ in range(2)]
    assert np.array_equal(*same)
    others = [expose(image, np.random.default_rng(number)) for number in range(40)]
    assert all(other.dtype == np.uint8 and other.shape == image.shape for other in others)
    assert len({other.tobytes() for other in others}) == 40
    assert np.array_equal(image, before), "the picture itself stays"
