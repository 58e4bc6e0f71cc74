"""Pixel outlines: areas by the shoelace formula, drawing by pycocotools, parts by scikit-image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco
from skimage.draw import polygon2mask
from skimage.measure import euler_number, label

from kizu.formats.common.outline import components, is_hole, one_polygon, outlines


def signed_area(loop: np.ndarray) -> float:
    x, y = loop.astype(float).T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def drawn(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return coco.decode(coco.frPyObjects([points.astype(float).ravel().tolist()], *shape))[:, :, 0].astype(bool)


RING = np.ones((5, 6), bool)
RING[1:4, 2:4] = False
CASES = {
    "one pixel": (np.ones((1, 1), bool), [[0, 0], [1, 0], [1, 1], [0, 1]], 0),
    "line one pixel wide": (np.ones((1, 7), bool), [[0, 0], [7, 0], [7, 1], [0, 1]], 0),
    "column": (np.ones((5, 1), bool), [[0, 0], [1, 0], [1, 5], [0, 5]], 0),
    "ring": (RING, [[0, 0], [6, 0], [6, 5], [0, 5]], 1),
}


@pytest.mark.parametrize("mask, corners, holes", CASES.values(), ids=CASES)
def test_analytic_shapes(mask, corners, holes):
    loops = outlines(mask)
    outer = [loop for loop in loops if not is_hole(loop)]
    assert len(outer) == 1 and len(loops) - 1 == holes
    assert {tuple(p) for p in outer[0].tolist()} == {tuple(p) for p in corners}
    np.testing.assert_array_equal(drawn(one_polygon(loops), mask.shape), mask)


def test_no_loop_without_pixels():
    assert outlines(np.zeros((3, 4), bool)) == []
    assert components(np.zeros((3, 4), bool)).max() == 0


@settings(max_examples=150, deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14), elements=st.booleans()))
def test_any_mask_comes_back(mask):
    loops = outlines(mask)
    assert sum(signed_area(loop) for loop in loops) == mask.sum()
    parts = label(mask, connectivity=2).max()
    holes = parts - euler_number(mask, connectivity=2)
    assert sum(not is_hole(loop) for loop in loops) == parts
    assert sum(is_hole(loop) for loop in loops) == holes
    if mask.any():
        points = one_polygon(loops)
        np.testing.assert_array_equal(drawn(points, mask.shape), mask)
        if len(loops) == 1:  # scikit-image takes pixel centres as y, x
            np.testing.assert_array_equal(polygon2mask(mask.shape, points[:, ::-1] - 0.5), mask)


@settings(max_examples=60, deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14), elements=st.booleans()))
def test_components_are_those_of_scikit_image(mask):
    ours = components(mask)
    theirs = label(mask, connectivity=2)
    assert ours.max() == theirs.max()
    assert len(np.unique(np.stack([ours.ravel(), theirs.ravel()]), axis=1).T) == len(np.unique(theirs))
    first = [int(np.argmax(ours.ravel() == k)) for k in range(1, ours.max() + 1)]
    assert first == sorted(first)  # numbered in reading order
