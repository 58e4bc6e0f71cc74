"""Instances from maps: perfect maps of drawn shapes give the shapes back, judged by pycocotools."""

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco

from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.models.dense_decode import DenseMaps, decode
from kizu.models.dense_targets import dense_targets

SIZE = (203, 254)  # no multiple of anything


def disc(x, y, radius, hole=0):
    """A disc, or a ring."""
    out = np.zeros(SIZE, np.uint8)
    cv2.circle(out, (x, y), radius, 1, -1)
    if hole:
        cv2.circle(out, (x, y), hole, 0, -1)
    return out.astype(bool)


def line(start, end, thickness):
    out = np.zeros(SIZE, np.uint8)
    cv2.line(out, start, end, 1, thickness)
    return out.astype(bool)


def box(x, y, width, height):
    out = np.zeros(SIZE, bool)
    out[y : y + height, x : x + width] = True
    return out


def layered(*masks):
    """Visible masks: the later lie over the earlier."""
    return [mask & ~np.any([*masks[i + 1 :], np.zeros(SIZE, bool)], axis=0) for i, mask in enumerate(masks)]


def perfect(masks, labels, classes):
    """The maps that a network would give that makes no error."""
    target = dense_targets(Instances(labels, masks=Masks.from_dense(np.stack(masks))), classes)
    return DenseMaps(target.classes / np.float32(255), target.boundary.astype(np.float32), target.offset)


SCENES = {
    "a disc": ([disc(60, 50, 30)], [0], 0.95),
    "discs apart": ([disc(60, 50, 30), disc(160, 80, 12)], [0, 0], 0.9),
    "at the frame's corners": ([disc(0, 0, 40), disc(253, 202, 35)], [0, 0], 0.93),
    "touching": ([disc(60, 60, 30), disc(121, 60, 30)], [0, 0], 0.93),
    "three that touch": ([disc(60, 60, 25), disc(111, 60, 25), disc(85, 104, 25)], [0, 0, 0], 0.9),
    "one over the other": (layered(disc(60, 60, 30), disc(100, 60, 30)), [0, 0], 0.9),
    "one of another class over": (layered(disc(80, 80, 50), disc(100, 80, 15)), [0, 1], 0.9),
    "a ring": ([disc(90, 90, 50, 30)], [0], 0.93),
    "a disc in a ring": ([disc(90, 90, 60, 44), disc(90, 90, 25)], [0, 0], 0.9),
    "boxes side by side": ([box(20, 20, 43, 31), box(63, 20, 38, 31)], [0, 0], 0.9),
    "cut in two by another": ([box(20, 80, 60, 24), box(100, 80, 60, 24)], [0, 0], 0.95),
    "a scratch of 8 pixels": ([line((20, 20), (200, 150), 8)], [0], 0.8),
    "a scratch of 4 pixels": ([line((20, 20), (200, 150), 4)], [0], 0.55),
    "a scratch of a pixel": ([line((20, 20), (200, 150), 1)], [0], 0.1),
    "many classes": ([disc(40 + 60 * k, 100, 20) for k in range(4)], [3, 1, 0, 2], 0.93),
}  # fmt: skip


@pytest.mark.parametrize("scene", SCENES)
def test_perfect_maps_give_the_instances_back(scene):
    masks, labels, least = SCENES[scene]
    found = decode(perfect(masks, labels, 4), SIZE)
    instances = found.instances()
    assert sorted(found.labels) == sorted(labels), scene
    codes = coco.encode(np.asfortranarray(np.stack(masks, 2).astype(np.uint8)))
    overlap = coco.iou(instances.masks.to_coco(), codes, [0] * len(codes))
    overlap[found.labels[:, None] != np.array(labels)] = 0
    assert (overlap.max(0) >= least).all(), overlap
    assert (overlap.argmax(0)[overlap.argmax(1)] == np.arange(len(codes))).all()
    assert (instances.scores > 0.6).all() and (np.diff(instances.scores) <= 0).all()
    assert np.array_equal(found.boxes, instances.boxes), "boxes are tight"


def test_pieces_that_vote_for_one_centre_are_one_instance():
    whole, bar = box(20, 80, 160, 24), box(90, 70, 20, 50)
    masks = [whole & ~bar, bar]
    found = decode(perfect(masks, [0, 1], 2), SIZE)
    assert sorted(found.labels) == [0, 1]
    assert found.boxes[found.labels == 0].tolist() == [[20, 80, 180, 104]]
    # Without votes they are two.
    maps = perfect(masks, [0, 1], 2)
    blind = decode(DenseMaps(maps.classes, maps.boundary, np.zeros_like(maps.offset)), SIZE)
    assert sorted(blind.labels) == [0, 0, 1]


def test_a_false_boundary_is_mended_by_the_votes():
    maps = perfect([disc(100, 100, 40)], [0], 1)
    maps.boundary[:, 25] = 1
    found = decode(maps, SIZE)
    assert len(found.labels) == 1
    assert found.masks[0][0].sum() == pytest.approx(np.pi * 40**2, rel=0.03)


def test_nothing_and_almost_nothing():
    maps = DenseMaps(
        np.zeros((2, 51, 64), np.float32), np.zeros((51, 64), np.float32), np.zeros((2, 51, 64), np.float32)
    )
    found = decode(maps, SIZE)
    assert not len(found.labels) and found.boxes.shape == (0, 4) and len(found.instances()) == 0
    maps.classes[1, 50, 63] = 0.55  # the last cell, which the frame cuts
    assert decode(maps, SIZE).boxes.tolist() == [[252, 200, 254, 203]]
    assert len(decode(maps, SIZE, min_area=6).labels) == 1 and not len(decode(maps, SIZE, min_area=7).labels)
    assert not len(decode(maps, SIZE, thresholds=0.6).labels)
    assert not len(decode(maps, SIZE, thresholds=[0.1, 0.6]).labels)
    assert len(decode(maps, SIZE, thresholds=[0.6, 0.1], min_area=[100, 2]).labels) == 1


def test_the_score_follows_mean_and_peak():
    maps = perfect([box(20, 20, 40, 40)], [0], 1)
    maps.classes[:] *= np.float32(0.8)
    flat = decode(maps, SIZE)
    assert flat.scores[0] == pytest.approx(0.8, abs=0.03)
    maps.classes[0, 8, 8] = 1.0
    assert flat.scores[0] < decode(maps, SIZE).scores[0] < 0.95


def test_two_names_for_one_thing_are_one_instance():
    maps = perfect([disc(60, 60, 30), disc(60, 60, 30)], [0, 1], 2)
    maps.classes[0] *= np.float32(0.9)
    found = decode(maps, SIZE)
    assert found.labels.tolist() == [1]
    assert sorted(decode(maps, SIZE, overlap=1.0).labels) == [0, 1]


def test_noise_ends_and_every_instance_holds():
    random = np.random.default_rng(5)
    maps = DenseMaps(*(random.random((k, 51, 64), np.float32) for k in (3, 1, 2)))
    found = decode(DenseMaps(maps.classes, maps.boundary[0], maps.offset - 0.5), SIZE, 0.6, 1)
    instances = found.instances()
    assert len(found.labels) > 20
    assert ((found.scores > 0) & (found.scores <= 1)).all()
    for k in range(3):
        own = instances.masks[found.labels == k]
        assert own.area.sum() == own.union().sum(), "instances of a class never overlap"


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [
        ((203, 300), {}, "maps of 51 x 64 cells for a picture of 203 x 300 pixels"),
        (SIZE, {"thresholds": [0.5] * 3}, "3 thresholds for 2 classes"),
        (SIZE, {"min_area": [4]}, "1 smallest areas for 2 classes"),
    ],
)
def test_what_does_not_fit(size, options, message):
    with pytest.raises(KizuError, match=message):
        decode(perfect([disc(60, 60, 30)], [0], 2), size, **options)
