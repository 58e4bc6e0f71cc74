"""A small data set with everything that formats stumble over, made here and nowhere else."""

from pathlib import Path

import numpy as np
import pytest

from kizu.core.dataset import Dataset
from kizu.core.images import encode_image
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
NAMES = ("scratch", "pit hole", "Kratzer ü傷")


def texture(seed: int, height: int, width: int) -> np.ndarray:
    """Noise that no two images share, uint8 (H, W, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def shapes(height: int, width: int) -> np.ndarray:
    """Masks bool (N, H, W): a block, a ring with a hole, two parts, one pixel, a one-pixel line, a diagonal."""
    out = np.zeros((6, height, width), bool)
    out[0, 2:9, 3:12] = True
    out[1, 12:24, 2:14] = True
    out[1, 15:20, 5:10] = False
    out[2, 2:6, 20:24] = out[2, 10:14, 26:30] = True
    out[3, 30, 30] = True
    out[4, 28, 4:20] = True
    out[5, np.arange(16, 24), np.arange(20, 28)] = True
    return out


@pytest.fixture
def small() -> Dataset:
    """Four images of 32 x 40: all shapes without overlap, none, boxes alone, one shape; unicode and sub-folders."""
    masks = Masks.from_dense(shapes(32, 40))
    full = Instances([0, 1, 2, 0, 1, 2], masks=masks)
    boxes = Instances([1, 0], np.array([[1, 2, 11, 12], [30, 20, 40, 32]], np.float32))
    samples = [
        Sample("a b/first 01.png", encode_image(texture(1, 32, 40)), full, split="train"),
        Sample("clean.png", encode_image(texture(2, 32, 40)), Instances.empty((32, 40)), split="train"),
        Sample("boxes ü傷.jpg", encode_image(texture(3, 32, 40), ".jpg"), boxes, split="val"),
        Sample("last.jpg", encode_image(texture(4, 32, 40), ".jpg"), full[[2]], split="test"),
    ]
    return Dataset(samples, NAMES)


@pytest.fixture
def rich() -> Dataset:
    """What COCO holds beyond that: overlaps, crowds, scores, groups, ids, box-only among masks, an empty mask."""
    dense = shapes(32, 40)
    dense[3] = False
    dense[5] |= dense[2]  # overlaps
    found = Instances(
        [0, 1, 2, 0, 1, 2],
        np.array(
            [
                [2.25, 1.5, 12.1, 9.7],
                *Masks.from_dense(dense).boxes[1:3],
                [5, 5, 9, 9],
                *Masks.from_dense(dense).boxes[4:],
            ]
        ),
        Masks.from_dense(dense * np.array([0, 1, 1, 1, 1, 1], bool)[:, None, None]),
        scores=np.array([0.5, 0.25, 0.123456, 1, 0, 0.75]),
        parents=np.array([-1, -1, -1, 1, -1, 2]),
        attributes={
            "has_mask": np.array([False, True, True, True, True, True]),
            "iscrowd": np.array([0, 1, 0, 0, 0, 0]),
            "coco_id": np.array([70, 7, 12, 1000, 3, 90]),
            "grade": [1, 2.5, None, 4, 5, 6],
            "who": ["a", "", "ü", "傷", "d", "e"],
            "sure": [True, False, True, True, False, True],
            "json:keypoints": ["[1, 2, 2]", None, None, None, None, "[3]"],
        },
    )
    samples = [
        Sample(
            "x/1.png",
            encode_image(texture(5, 32, 40)),
            found,
            split="train",
            group="g1",
            meta={"coco_id": 41, "template": "t.png", "lot": {"no": 3}},
        ),
        Sample(
            "x/2.png",
            encode_image(texture(6, 32, 40)),
            Instances.empty((32, 40), scores=True),
            split="val",
            group="g2",
            meta={"coco_id": 5},
        ),
    ]
    categories = [
        {"id": 7, "name": NAMES[0], "supercategory": "line"},
        {"id": 3, "name": NAMES[1]},
        {"id": 90, "name": NAMES[2]},
    ]
    return Dataset(samples, NAMES, {"coco_categories": categories, "title": "rich", "coco_info": {"year": 2024}})


def assert_same(a: Dataset, b: Dataset, boxes: bool = True, splits: bool = True) -> None:
    """The same ids, image bytes, classes, masks and boxes, whatever the order of images."""
    others = {sample.id: sample for sample in b}
    assert sorted(others) == sorted(sample.id for sample in a)
    for one in a:
        two = others[one.id]
        assert two.image_bytes() == one.image_bytes()
        assert not splits or two.split == one.split
        x, y = one.instances, two.instances
        assert [b.names[k] for k in y.labels] == [a.names[k] for k in x.labels]
        if boxes:
            np.testing.assert_array_equal(x.boxes, y.boxes)
        if len(x) and x.masks is not None:
            assert x.masks == y.masks


def assert_identical(a: Dataset, b: Dataset) -> None:
    """Also names, info, scores, parents, attributes, groups and meta, in order."""
    assert a.names == b.names
    assert a.info == b.info
    assert [s.id for s in a] == [s.id for s in b]
    assert_same(a, b)
    for one, two in zip(a, b, strict=True):
        assert (one.group, one.split, one.source, one.meta) == (two.group, two.split, two.source, two.meta)
        x, y = one.instances, two.instances
        for name in ("scores", "parents"):
            np.testing.assert_array_equal(getattr(x, name), getattr(y, name))
        if len(x):
            # An id or a flag of nothing but zeros need not have been there before.
            mine = {k: v.tolist() for k, v in x.attributes.items()}
            assert {k: v.tolist() for k, v in y.attributes.items() if k in mine} == mine
            assert set(y.attributes) - set(mine) <= {"coco_id", "iscrowd"}
