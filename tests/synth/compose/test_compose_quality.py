"""Figures and flags of segments: against shapes, blurs and lights that are known."""

import cv2
import numpy as np
import pytest
from compose_bank_sets import coverage

from kizu.core.errors import KizuError
from kizu.synth.compose import quality
from kizu.synth.compose.linear import from_linear


@pytest.mark.parametrize("turn", [0, 30, 45, 90, 135, 170])
@pytest.mark.parametrize("sides", [(60, 20), (50, 6)])
def test_form_of_a_turned_rectangle(turn, sides):
    points = cv2.boxPoints(((64, 64), sides, turn))
    mask = cv2.fillPoly(np.zeros((128, 128), np.uint8), [np.rint(points * 16).astype(np.int32)], 1, shift=4) > 0
    found = quality.form(mask)
    assert found["area"] == mask.sum()
    assert abs((found["orientation"] - turn + 90) % 180 - 90) < 2
    assert found["elongation"] == pytest.approx(sides[0] / sides[1], rel=0.15)
    rows, columns = np.nonzero(mask)
    assert (found["width"], found["height"]) == (np.ptp(columns) + 1, np.ptp(rows) + 1)


def test_form_of_nothing():
    assert quality.form(np.zeros((5, 5), bool))["area"] == 0


@pytest.mark.parametrize("blur", [1.0, 1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("noise", [0.5, 2.0])
def test_softness_is_the_blur_of_the_edges(blur, noise):
    random = np.random.default_rng(0)
    step = np.where(np.arange(160) < 80, 60.0, 180.0)[None].repeat(160, 0)
    grey = cv2.GaussianBlur(step, (0, 0), blur) + random.normal(0, noise, step.shape)
    found = quality.focus(grey.astype(np.float32), np.ones(grey.shape, bool), noise)
    assert found["softness"] == pytest.approx(blur, rel=0.1, abs=0.1)


def test_sharpness_of_noise_alone_is_one_and_nothing_is_known_of_its_edges():
    grey = np.random.default_rng(1).normal(100, 3, (200, 200)).astype(np.float32)
    found = quality.focus(grey, np.ones(grey.shape, bool), 3.0)
    assert found["sharpness"] == pytest.approx(1, abs=0.06)
    assert found["softness"] is None


def test_a_picture_of_few_pixels_has_the_noise_of_rounding():
    assert quality.noise_of(np.zeros((2, 9), np.uint8)) == quality.noise_of(np.zeros((9, 9), np.uint8)) == 0.3


ROOM = {"kind": "object", "area": 100, "whole": 100, "box": (1, 1, 19, 19), "size": (20, 20), "softness": 1.0}
CASES = [
    ({}, set()),
    ({"box": (0, 1, 19, 19)}, {"truncated"}),
    ({"box": (1, 1, 19, 20)}, {"truncated"}),
    ({"box": (1, 1, 20, 19)}, {"truncated"}),
    ({"whole": 103}, {"hidden"}),
    ({"whole": 101}, set()),
    ({"softness": quality.BLURRED + 0.1}, {"blurred"}),
    ({"softness": quality.BLURRED + 0.1, "kind": "defect"}, set()),
    ({"softness": None}, set()),
    ({"area": 63, "whole": 63}, {"tiny"}),
    ({"area": 63, "whole": 63, "kind": "defect"}, set()),
    ({"area": 8, "whole": 9, "kind": "defect"}, {"tiny", "hidden"}),
]


@pytest.mark.parametrize(("change", "expected"), CASES)
def test_flags(change, expected):
    found = quality.flags(**(ROOM | change))
    assert {name for name, value in found.items() if value} == expected
    assert set(found) == set(quality.FLAGS)
    assert quality.usable(found) == (not expected)
    assert quality.usable(found, set(quality.FLAGS) - expected)


def test_a_flag_that_there_is_not():
    with pytest.raises(KizuError, match="unknown flag 'dirty'; a segment may be truncated, blurred, tiny, hidden"):
        quality.usable({}, ["dirty"])


def test_the_shading_is_the_light_on_the_segment_and_nothing_beside_it():
    """A disc under light that rises exponentially to the right has a shading that is a line."""
    alpha = coverage((160, 160), 80, 80, 60).astype(np.float32)
    light = 0.1 * np.exp(np.linspace(0, 2, 160))[None, :, None].repeat(160, 0).repeat(3, 2)
    light[alpha == 0] = 0.9  # a glaring ground
    found = quality.light_of(from_linear(light.astype(np.float32)), alpha)
    field = np.array(found["shading"])
    assert field.shape == (quality.GRID, quality.GRID)
    middles = np.log(0.1) + 2 * (np.arange(8) + 0.5) / 8
    assert field[4, 2:6] == pytest.approx(middles[2:6], abs=0.06)
    assert field[4] == pytest.approx(middles, abs=0.35), "cells beside the segment hold what is nearest"
    assert found["colour"] == pytest.approx([(alpha * light[..., 0]).sum() / alpha.sum()] * 3, rel=0.02)


@pytest.mark.parametrize("size", [(5, 3), (1, 1), (3, 200)])
def test_the_light_of_small_and_thin_segments_is_finite(size):
    colour = np.full((*size, 3), 188, np.uint8)
    found = quality.light_of(colour, np.ones(size, np.float32))
    assert np.array(found["shading"]) == pytest.approx(np.log(0.5028), abs=0.01)
    assert found["colour"] == pytest.approx([0.5028] * 3, abs=0.001)
