"""Backgrounds: which pictures they are, and windows of them."""

import pickle

import numpy as np
import pytest
from compose_lines import line

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.synth.compose.backgrounds import Backgrounds, clean_rows, frame_of
from kizu.synth.compose.linear import from_linear


def test_clean_pictures_are_those_that_somebody_found_nothing_on():
    samples = list(line())[:8]
    samples[0] = samples[0].replace(labelled=False)
    samples[1] = Sample("torn.png", b"no picture", lambda: 1 / 0, size=(4, 4))
    data = Dataset([s for k, s in enumerate(samples) if k != 1], line().names)
    rows = clean_rows(data, Skips())
    assert len(rows) > 0
    for row in rows.tolist():
        assert data[row].labelled and not len(data[row].instances)
    assert 0 not in rows


def test_none_is_an_error():
    with pytest.raises(KizuError, match="no picture to put anything on"):
        Backgrounds(line(), np.zeros(0, np.int64))


def test_the_whole_picture_comes_back_byte_for_byte():
    there = Backgrounds(line(), np.arange(3))
    behind = there[1]
    image = line()[1].image
    height, width = image.shape[:2]
    frame = frame_of(behind, (0, 0, width, height), (height, width), (False, False))
    assert (from_linear(frame.light) == image).all()
    turned = frame_of(behind, (0, 0, width, height), (height, width), (True, True))
    assert (from_linear(turned.light) == image[::-1, ::-1]).all()
    part = frame_of(behind, (10, 20, 50, 40), (40, 50), (False, True))
    assert (from_linear(part.light) == image[20:60, 10:60][::-1]).all()


@pytest.mark.parametrize("size", [(20, 25), (200, 170)])
def test_another_size_keeps_the_mean(size):
    behind = Backgrounds(line(), np.arange(3))[0]
    height, width = behind.part.shape
    frame = frame_of(behind, (0, 0, width, height), size, (False, False))
    assert frame.light.shape == (*size, 3) and frame.part.shape == size
    assert frame.light.mean() == pytest.approx(behind.light.mean(), rel=0.01)


def test_what_is_on_them_stays_and_nothing_is_put_close_to_it():
    rows = [k for k, sample in enumerate(line()) if len(sample.instances)]
    there = Backgrounds(line(), np.array(rows), labelled=True)
    assert there.names == list(line().names)
    behind = there[0]
    sample = line()[rows[0]]
    height, width = sample.size
    frame = frame_of(behind, (0, 0, width, height), (height, width), (False, False))
    assert frame.labels == [line().names[label] for label in sample.instances.labels]
    for k, mask in enumerate(frame.masks):
        assert (mask == sample.instances.masks.dense(k)).all()
    assert not (frame.part & sample.instances.masks.union()).any()
    assert frame.part.any()


def test_ids_numbers_and_pickles():
    there = pickle.loads(pickle.dumps(Backgrounds(line(), np.array([4, 9]))))
    assert [there.id(0), there.id(1)] == [line()[4].id, line()[9].id]
    assert there.number(line()[9].id) == 1
    with pytest.raises(DataError, match="no background 'elsewhere'"):
        there.number("elsewhere")


def test_boxes_alone_are_refused():
    sample = Sample("a.png", np.zeros((40, 40, 3), np.uint8), Instances([0], np.array([[1, 1, 9, 9]])))
    with pytest.raises(DataError, match="boxes without masks"):
        Backgrounds(Dataset([sample], ("pit",)), np.arange(1), labelled=True)[0]
