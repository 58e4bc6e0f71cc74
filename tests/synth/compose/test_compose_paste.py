"""Where a segment lies does not depend on the light: its mask is that of its place, bit by bit."""

import math

import numpy as np
import pytest
from compose_lines import line

from kizu.synth.compose.backgrounds import Backgrounds
from kizu.synth.compose.paste import warp_object
from kizu.synth.compose.render import render
from kizu.synth.compose.segment import OBJECT, Segment
from kizu.synth.compose.spec import Layer, Scene

SIZE = (128, 160)


def segment(seed, side=61):
    """A thing whose coverage is a ramp from left to right, a half in the middle column."""
    alpha = np.repeat(((np.arange(side) - 30) / 80 + 0.5).astype(np.float32)[None], side, 0)
    alpha[[0, -1]] = alpha[:, [0, -1]] = 0
    colour = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    return Segment("s", "thing", OBJECT, colour, alpha)


def turned(seed):
    """A turn by an odd multiple of 45 degrees about a pixel: rounding alone decides on the pixels of a diagonal."""
    random = np.random.default_rng([seed, 1])
    angle, scale = (2 * seed + 1) * math.pi / 4, random.uniform(0.6, 1.4)
    a, b = scale * math.cos(angle), scale * math.sin(angle)
    x, y = (int(random.integers(40, side - 40)) for side in SIZE[::-1])
    return a, -b, x - 30 * (a - b), b, a, y - 30 * (b + a)


class One:
    """A stock of one segment."""

    def __init__(self, seed):
        self.only = segment(seed)

    def find(self, id):
        return 0

    def segment(self, k):
        return self.only

    def noise(self, k):
        return 1.0


@pytest.mark.parametrize("seed", range(8))
def test_the_mask_is_the_same_in_any_light(seed):
    ground = Backgrounds(line(), np.arange(len(line())))
    lights = [{}, {"angle": 1.0, "height": 0.8, "ambient": 0.5, "relief": 0.02, "shadow": 0.8, "thickness": 0.1}]
    lights.append(lights[1] | {"thickness": 0.03, "height": 1.4})
    layer = Layer("thing", "s", turned(seed), blend={"name": "feather"}, light={"scene": 0.5, "own": 0.5})
    drawn = [
        render(Scene(SIZE, ground.id(0), (0, 0, 160, 128), layers=(layer,), light=light), One(seed), ground)
        for light in lights
    ]
    assert not np.array_equal(drawn[0].image, drawn[1].image)
    masks = []
    for done in drawn:
        [thing] = done.drawn
        whole = np.zeros(SIZE, bool)
        whole[thing.y : thing.y + thing.mask.shape[0], thing.x : thing.x + thing.mask.shape[1]] = thing.mask
        masks.append(whole)
    assert masks[0].sum() > 100
    assert all(np.array_equal(masks[0], mask) for mask in masks)


@pytest.mark.parametrize("by", [0, 3, 40, 500])
def test_a_wider_box_holds_the_same(by):
    for seed in range(6):
        narrow = warp_object(segment(seed), turned(seed), SIZE, 2)
        wide = narrow.widened(by, SIZE)
        top, left = narrow.y - wide.y, narrow.x - wide.x
        height, width = narrow.alpha.shape
        assert (left, top) == (min(by, narrow.x), min(by, narrow.y))
        assert wide.x + wide.alpha.shape[1] == min(narrow.x + width + by, SIZE[1])
        assert wide.y + wide.alpha.shape[0] == min(narrow.y + height + by, SIZE[0])
        here = np.s_[top : top + height, left : left + width]
        assert (wide.alpha[here] == narrow.alpha).all()
        assert (wide.light[here] == narrow.light).all()
        assert wide.alpha.sum() == pytest.approx(narrow.alpha.sum())
        assert (wide.light[top, :left] == narrow.light[0, 0]).all()


def test_the_mask_is_the_same_out_of_focus():
    ground = Backgrounds(line(), np.arange(len(line())))
    masks = []
    for defocus in (0.0, 1.2):
        light = {"scene": 0.5, "own": 0.5, "defocus": defocus}
        layer = Layer("thing", "s", turned(3), blend={"name": "feather"}, light=light)
        done = render(Scene(SIZE, ground.id(0), (0, 0, 160, 128), layers=(layer,)), One(3), ground)
        [thing] = done.drawn
        whole = np.zeros(SIZE, bool)
        whole[thing.y : thing.y + thing.mask.shape[0], thing.x : thing.x + thing.mask.shape[1]] = thing.mask
        masks.append(whole)
    assert np.array_equal(*masks)
