"""Thresholds and scores, with finds that are known: what fires, what is promised, and where 0.5 lies."""

import numpy as np
import pytest
from detector_scenes import chosen, dataset, picture, product

from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.detector.calibrate import Outlines, choose_levels, least_areas
from kizu.detector.engine import Candidates, Engine, log_odds, settled
from kizu.models.dense_decode import DenseMaps


class Known(Engine):
    """Finds that are given for each picture, which is told by its pixels."""

    def __init__(self, finds):
        self.finds = finds

    def candidates(self, image, maps=True):
        return Candidates(self.finds[image.tobytes()])

    def state(self):
        return {}, {}


def found(sample, score, others=(), masks=True):
    """The truth of a sample as finds of one score, and ``others``: (label, score) of wrong ones in the corner."""
    truth = sample.instances
    shapes = [truth.masks.dense(i) for i in range(len(truth))]
    corner = np.zeros(sample.size, bool)
    corner[:6, :6] = True
    made = Masks.from_dense([*shapes, *[corner] * len(others)], sample.size)
    labels = [*truth.labels.tolist(), *[label for label, _ in others]]
    scores = [*[score] * len(truth), *[value for _, value in others]]
    return Instances(labels, made.boxes, made if masks else None, np.array(scores, np.float32))


def parts(count=16):
    return chosen(dataset(product(8, "train"), product(count, "val", 100)))


@pytest.mark.parametrize("masks", [True, False])
def test_the_threshold_parts_right_from_wrong(masks):
    val = parts().val
    engine = Known({s.image.tobytes(): found(s, 0.8, [(0, 0.4), (1, 0.6)], masks) for s in val})
    levels, expected = choose_levels(engine, val, 0.3)
    for level, wrong, item in zip(levels, (0.4, 0.6), expected, strict=True):
        assert log_odds(wrong) < level < log_odds(0.8)
        assert (item.iou, item.escapes, item.false_alarms, item.clean) == (1, 0, 0, 4)


def test_boxes_are_judged_by_the_f1_score():
    val = parts().val
    # 8 right at 0.9; 4 of the 16 pictures have a wrong one at 0.95, which costs less than the 8 are worth.
    finds = {s.image.tobytes(): found(s, 0.9, [(0, 0.95)] if i < 4 else (), False) for i, s in enumerate(val)}
    levels, expected = choose_levels(Known(finds), val, 0.3)
    assert levels[0] > log_odds(
        np.float32(0.95)
    )  # one of four good pictures has it: more than a share of 0.3 allows with four
    assert expected[0].false_alarms == 0
    defective = val.picked(~val.good)
    levels, expected = choose_levels(Known(finds), defective, 0.3)
    right, wrong = 8, 3
    assert levels[0] < log_odds(0.9)
    assert expected[0].iou == pytest.approx(right / (right + wrong))


def test_a_find_of_many_pieces_counts_each_pixel_once():
    val = parts(4).val
    twice = {}
    for s in val:
        one = found(s, 0.8)
        twice[s.image.tobytes()] = Instances.concat([one, one.replace(scores=one.scores * 0.9)])
    assert [item.iou for item in choose_levels(Known(twice), val, 0.3)[1]] == [1, 1]


def test_good_pictures_raise_the_threshold_to_the_promise():
    good = [picture(500 + i, (), split="val") for i in range(40)]
    val = chosen(dataset(product(8, "train"), product(8, "val", 100), good)).val
    values = np.linspace(0.5, 0.95, 42)
    finds, k = {}, 0
    for i, s in enumerate(val):
        others = [(0, values[k])] if val.good[i] else ()
        k += bool(val.good[i])
        finds[s.image.tobytes()] = found(s, 0.7, others)
    levels, expected = choose_levels(Known(finds), val, 0.1)
    assert expected[0].promised
    assert expected[0].false_alarms <= 0.1
    assert levels[0] > log_odds(values[37])
    assert levels[1] < log_odds(0.7)


def test_a_class_that_no_validation_picture_shows():
    val = chosen(dataset(product(8, "train"), [picture(90 + i, (0,), split="val") for i in range(4)])).val
    levels, expected = choose_levels(Known({s.image.tobytes(): found(s, 0.9) for s in val}), val, 0.1)
    assert levels[1] == 0
    assert (expected[1].iou, expected[1].escapes, expected[1].false_alarms) == (None, None, None)


def test_nothing_is_found():
    val = parts().val
    levels, expected = choose_levels(Known({s.image.tobytes(): found(s, 0.9)[:0] for s in val}), val, 0.1)
    assert [(item.iou, item.escapes) for item in expected] == [(0, 1), (0, 1)]
    assert np.isfinite(levels).all()


def test_outlines_are_those_of_the_best_overlap():
    val = parts(8).val
    outlines = Outlines(val)
    for sample in val:
        classes = np.full((2, 16, 20), 0.02, np.float32)
        for label in (0, 1):
            mine = sample.instances.labels == label
            if mine.any():
                inside = sample.instances.masks[mine].union().reshape(16, 4, 20, 4).mean((1, 3))
                # A class whose probabilities are twice too low is outlined at half of them.
                classes[label] = np.maximum(inside * (0.8 if label == 0 else 0.4), 0.02)
        outlines.add(DenseMaps(classes, np.zeros((16, 20), np.float32), np.zeros((2, 16, 20), np.float32)), sample)
    first, second = outlines.best()
    assert 0.25 < first < 0.55
    assert 0.12 < second < 0.28
    assert outlines.mean_iou() > 0.85


def test_least_areas():
    pictures = parts()
    disc = float(pictures.train[0].instances.masks.area[0])
    assert least_areas([pictures.train, pictures.val])[0] == round(disc / 4)


@pytest.mark.parametrize("min_score", [0.5, 0.1, 0.9])
def test_half_is_the_threshold_and_maps_agree(min_score):
    sample = picture(4, (0, 1))
    odds = np.full((2, *sample.size), -4, np.float32)
    for i, label in enumerate(sample.instances.labels):
        odds[label][sample.instances.masks.dense(i)] = 1.0
    raw = sample.instances.replace(scores=np.array([0.7, 0.3], np.float32))
    levels = [float(log_odds(0.5)), float(log_odds(0.6))]
    instances, maps = settled(Candidates(raw, odds), levels, (0.4, 0.2), min_score)
    expected = [(0, 0.7)] if min_score <= 0.5 else []
    expected += [(1, 0.3 / 0.7 * 0.4 / 0.6 / (1 + 0.3 / 0.7 * 0.4 / 0.6))] if min_score < 0.2 else []
    assert instances.labels.tolist() == [label for label, _ in expected]
    assert instances.scores == pytest.approx([score for _, score in expected], abs=1e-6)
    assert maps[0][raw.masks.dense(0)].max() == pytest.approx(0.7, abs=1e-6)
    assert (maps[0] >= 0.5).sum() == raw.masks.area[0]
    assert maps[1].max() < 0.5


def test_a_score_on_the_threshold_fires():
    sample = picture(4, (0,))
    raw = sample.instances.replace(scores=np.array([0.37], np.float32))
    for shift, fires in ((0, True), (1e-9, False)):
        level = float(log_odds(raw.scores[0])) + shift
        instances, _ = settled(Candidates(raw), [level, 0.0], (), 0.1)
        assert (instances.scores[0] >= 0.5) == fires
