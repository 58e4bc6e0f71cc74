"""Targets of the dense detector, against slow ways to count, and shapes whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import maximum_filter

from kizu.core.errors import DataError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.models.dense_targets import REACH, STRIDE, dense_targets


def instances_of(masks, labels=None, **fields):
    masks = np.asarray(masks, bool)
    return Instances([0] * len(masks) if labels is None else labels, masks=Masks.from_dense(masks), **fields)


def boxed(size, *boxes):
    out = np.zeros((len(boxes), *size), bool)
    for mask, (top, left, bottom, right) in zip(out, boxes, strict=True):
        mask[top:bottom, left:right] = True
    return out


def shares(mask):
    """Covered share of each cell, one by one."""
    h, w = (-(-side // STRIDE) for side in mask.shape)
    cells = [
        [mask[y * STRIDE : (y + 1) * STRIDE, x * STRIDE : (x + 1) * STRIDE].mean() for x in range(w)] for y in range(h)
    ]
    return np.array(cells)


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(np.int8, st.tuples(st.integers(1, 30), st.integers(1, 30)), elements=st.integers(0, 3)),
    st.integers(1, 2),
)
def test_the_class_map_is_the_share_over_the_largest_share_near_it(raster, kinds):
    masks = np.stack([raster == i for i in (1, 2, 3)])
    labels = [0, kinds - 1, 0]
    maps = dense_targets(instances_of(masks, labels), kinds)
    for k in range(kinds):
        union = np.any([mask for mask, label in zip(masks, labels, strict=True) if label == k], axis=0)
        expected = shares(union)
        near = maximum_filter(expected, 3, mode="constant")
        expected = np.divide(expected, near, out=np.zeros_like(expected), where=near > 0)
        assert np.abs(maps.classes[k] / 255 - expected).max() <= 0.02
    assert ((maps.weight > 0) == (maps.classes.max(0) > 0)).all()
    assert maps.known.all()


def test_the_smallest_defect_is_positive_where_it_covers_most():
    line = np.zeros((1, 40, 40), bool)
    line[0, 17, 3:30] = True  # a pixel wide: a quarter of a cell
    maps = dense_targets(instances_of(line), 1)
    assert (maps.classes[0, 4, 1:7] == 255).all() and maps.classes[0, 4, 0] == 64
    assert not maps.classes[0, :4].any() and not maps.classes[0, 5:].any()
    point = np.zeros((1, 9, 9), bool)
    point[0, 8, 8] = True  # a cell that the frame cuts to a single pixel
    assert dense_targets(instances_of(point), 1).classes[0, 2, 2] == 255


def test_offsets_lead_to_the_centre_of_mass():
    masks = boxed((64, 96), (0, 0, 32, 40), (40, 50, 47, 95))
    maps = dense_targets(instances_of(masks, [0, 1]), 2)
    y, x = np.mgrid[:16, :24]
    for k, mask in enumerate(masks):
        rows, columns = np.nonzero(mask)
        there = maps.classes[k] > 0
        centre = ((columns.mean() + 0.5) / STRIDE - 0.5, (rows.mean() + 0.5) / STRIDE - 0.5)
        for axis, place in enumerate((x, y)):
            assert np.allclose((place + REACH * maps.offset[axis])[there], centre[axis], atol=1e-4)
    large, small = maps.weight[0, 0], maps.weight[11, 18]
    assert 0 < large < small
    assert not maps.offset[:, maps.weight == 0].any()


@pytest.mark.parametrize(
    ("boxes", "labels", "rows", "columns"),
    [
        ([(0, 0, 16, 16), (0, 16, 16, 32)], [0, 0], slice(None), slice(3, 5)),  # side by side
        (
            [(0, 0, 16, 18), (0, 18, 16, 32)],
            [0, 0],
            slice(None),
            slice(4, 6),
        ),  # both in one cell, which the first keeps
        ([(0, 0, 8, 8), (8, 8, 16, 16)], [0, 0], [1, 2], [1, 2]),  # corner to corner
        ([(0, 8, 8, 16), (8, 0, 16, 8)], [0, 0], [1, 2], [2, 1]),
        ([(0, 0, 16, 16), (0, 16, 16, 32)], [0, 1], slice(0), slice(0)),  # two classes
        ([(0, 0, 16, 12), (0, 16, 16, 32)], [0, 0], slice(0), slice(0)),  # a cell apart
    ],
)
def test_the_boundary_is_where_two_of_a_class_meet(boxes, labels, rows, columns):
    maps = dense_targets(instances_of(boxed((16, 32), *boxes), labels), 2)
    expected = np.zeros((4, 8), np.uint8)
    expected[rows, columns] = 1
    assert np.array_equal(maps.boundary, expected)


def test_what_lies_on_a_part_is_of_the_part_too():
    part, defect = boxed((32, 32), (0, 0, 32, 32), (12, 12, 20, 20))
    maps = dense_targets(instances_of([part & ~defect, defect], [0, 1], parents=[-1, 0]), 2)
    assert (maps.classes[0] == 255).all()
    assert (maps.classes[1, 3:5, 3:5] == 255).all() and (maps.classes[1] > 0).sum() == 4
    assert not maps.boundary.any()
    # The defect, which is smaller, has the cells; the part's centre is the frame's.
    assert maps.offset[:, 3, 3] == pytest.approx([0.5 / REACH] * 2)
    assert maps.offset[:, 0, 0] == pytest.approx([3.5 / REACH] * 2)


def test_nothing_is_learnt_where_nobody_knows():
    masks = boxed((32, 32), (0, 0, 16, 16), (16, 16, 32, 32), (0, 16, 8, 24))
    instances = instances_of(masks, [0, 5, 0], attributes={"iscrowd": np.array([False, False, True])})
    maps = dense_targets(instances, 1, ignore={5})
    assert maps.known.sum() == 64 - 16 - 4 and not maps.known[4:, 4:].any() and not maps.known[:2, 4:6].any()
    assert (maps.classes[0] > 0).sum() == 16
    with pytest.raises(DataError, match="label 5 among 1 classes"):
        dense_targets(instances, 1)


def test_no_instance_and_no_mask():
    maps = dense_targets(Instances.empty((10, 13)), 3)
    assert {name: (value.dtype.name, value.shape, value.any()) for name, value in maps.arrays().items()} == {
        "classes": ("uint8", (3, 3, 4), False),
        "boundary": ("uint8", (3, 4), False),
        "offset": ("float32", (2, 3, 4), False),
        "weight": ("float32", (3, 4), False),
        "known": ("uint8", (3, 4), True),
    }
    empty = Instances([0], masks=Masks.from_dense(np.zeros((1, 10, 13), bool)))
    assert not dense_targets(empty, 1).classes.any()
    with pytest.raises(DataError, match="boxes only"):
        dense_targets(Instances([0], np.array([[0, 0, 4, 4]])), 1)
