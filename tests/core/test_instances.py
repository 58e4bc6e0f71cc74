"""``Instances``: what is refused at birth, slicing, joining, columns of attributes."""

import importlib.util
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances, column
from kizu.core.masks import Masks


def masks_of(*boxes, size=(20, 30)):
    dense = np.zeros((len(boxes), *size), bool)
    for mask, (x0, y0, x1, y1) in zip(dense, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    return Masks.from_dense(dense)


def example():
    masks = masks_of((1, 2, 9, 6), (3, 3, 5, 5), (0, 0, 30, 20), (28, 18, 30, 20))
    return Instances(
        labels=[2, 0, 1, 0],
        masks=masks,
        scores=[0.9, 0.5, 0.25, 1],
        amodal=masks_of((1, 2, 11, 6), (3, 3, 5, 5), (0, 0, 30, 20), (28, 18, 30, 20)),
        parents=[-1, 0, -1, 2],
        attributes={"tone": ["dark", "light", "dark", None], "depth": np.array([0.5, 1.5, 2.5, 3.5])},
    )


def test_what_is_held():
    found = example()
    assert len(found) == 4
    assert (found.boxes.dtype, found.labels.dtype, found.scores.dtype, found.parents.dtype) == (
        np.float32, np.int32, np.float32, np.int32,
    )  # fmt: skip
    assert found.boxes.tolist() == [[1, 2, 9, 6], [3, 3, 5, 5], [0, 0, 30, 20], [28, 18, 30, 20]]
    assert repr(found) == "Instances(4, masks, scores, amodal, tone, depth)"


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("size", [None, (4, 5)])
def test_empty(size, scores):
    found = Instances.empty(size, scores)
    assert (len(found), found.boxes.shape, found.parents.shape) == (0, (0, 4), (0,))
    assert (found.masks is None) == (size is None)
    assert (found.scores is None) != scores
    assert len(Instances([])) == 0


BOX = [[0, 0, 4, 4]]
REFUSED = {
    "neither boxes nor masks": ({"labels": [0]}, "boxes or masks"),
    "fewer boxes": ({"labels": [0, 1], "boxes": BOX}, "2 labels but 1 boxes"),
    "fewer scores": ({"labels": [0], "boxes": BOX, "scores": []}, "0 scores"),
    "more masks": ({"labels": [0], "boxes": BOX, "masks": masks_of((0, 0, 1, 1), (0, 0, 1, 1))}, "2 masks"),
    "more amodal masks": ({"labels": [0], "boxes": BOX, "amodal": masks_of((0, 0, 1, 1), (0, 0, 1, 1))}, "2 amodal"),
    "fewer parents": ({"labels": [0], "boxes": BOX, "parents": []}, "0 parents"),
    "fewer attributes": ({"labels": [0], "boxes": BOX, "attributes": {"tone": []}}, "attribute 'tone'"),
    "a box of NaN": ({"labels": [0], "boxes": [[0, 0, np.nan, 4]]}, "instance 0: box"),
    "an endless box": ({"labels": [0], "boxes": [[0, 0, 1e60, 4]]}, "not finite"),
    "a box turned round": ({"labels": [0, 0], "boxes": [[0, 0, 1, 1], [5, 0, 4, 4]]}, "instance 1: box"),
    "boxes the wrong way": ({"labels": [0, 0], "boxes": np.zeros((4, 2))}, r"shape \(4, 2\)"),
    "boxes of five numbers": ({"labels": [0], "boxes": [[0, 0, 1, 1, 0.5]]}, "XYXY"),
    "boxes in words": ({"labels": [0], "boxes": [["a", "b", "c", "d"]]}, "^boxes"),
    "ragged boxes": ({"labels": [0, 0], "boxes": [[0, 0, 1, 1], [0]]}, "^boxes"),
    "a negative label": ({"labels": [0, -1], "boxes": BOX * 2}, "instance 1: label -1"),
    "half a label": ({"labels": [0.5], "boxes": BOX}, "labels: whole numbers"),
    "a label of NaN": ({"labels": [np.nan], "boxes": BOX}, "labels: whole numbers"),
    "a label beyond 32 bits": ({"labels": np.array([2**32 + 1]), "boxes": BOX}, "labels: whole numbers"),
    "a label beyond 64 bits": ({"labels": [2**80], "boxes": BOX}, "^labels"),
    "a label in words": ({"labels": ["scratch"], "boxes": BOX}, "^labels"),
    "a score of NaN": ({"labels": [0, 0], "boxes": BOX * 2, "scores": [0.1, np.nan]}, "instance 1: its score"),
    "a score in words": ({"labels": [0], "boxes": BOX, "scores": ["high"]}, "^scores"),
    "a score of None": ({"labels": [0], "boxes": BOX, "scores": [None]}, "^scores"),
    "a parent that is not there": ({"labels": [0], "boxes": BOX, "parents": [1]}, "parents"),
    "a parent before the first": ({"labels": [0], "boxes": BOX, "parents": [-2]}, "parents"),
    "half a parent": ({"labels": [0], "boxes": BOX, "parents": [0.5]}, "^parents"),
    "two frames": (
        {"labels": [0], "masks": masks_of((0, 0, 1, 1)), "amodal": masks_of((0, 0, 1, 1), size=(9, 9))},
        "amodal masks of frame",
    ),
}


@pytest.mark.parametrize(("fields", "message"), REFUSED.values(), ids=list(REFUSED))
def test_refused_at_birth(fields, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match=message):
            Instances(**fields)


KEYS = {
    "int": (1, [1]), "negative int": (-1, [3]), "slice": (slice(1, 3), [1, 2]),
    "bools": ([True, False, True, False], [0, 2]), "indices": (np.array([3, 2, 0]), [3, 2, 0]),
    "twice": ([1, 1], [1, 1]), "nothing": ([], []), "all": (slice(None), [0, 1, 2, 3]),
}  # fmt: skip


@pytest.mark.parametrize(("key", "chosen"), KEYS.values(), ids=list(KEYS))
def test_slicing_takes_every_field(key, chosen):
    whole = example()
    part = whole[key]
    assert len(part) == len(chosen)
    for field in ("labels", "boxes", "scores"):
        assert np.array_equal(getattr(part, field), getattr(whole, field)[chosen])
    assert part.masks == whole.masks[chosen]
    assert part.amodal == whole.amodal[chosen]
    assert {k: v.tolist() for k, v in part.attributes.items()} == {
        k: v[chosen].tolist() for k, v in whole.attributes.items()
    }


def test_a_parent_that_was_not_chosen_is_none():
    assert example()[[3, 2, 1]].parents.tolist() == [1, -1, -1]
    assert example()[[0, 1]].parents.tolist() == [-1, 0]
    assert example()[3].parents.tolist() == [-1]


@given(st.integers(0, 4))
def test_parts_joined_are_the_whole(cut):
    whole = example().replace(parents=None)
    joined = Instances.concat([whole[:cut], whole[cut:], whole[[]]])
    for field in ("labels", "boxes", "scores", "parents"):
        assert np.array_equal(getattr(joined, field), getattr(whole, field))
    assert joined.masks == whole.masks
    assert joined.amodal == whole.amodal
    for name, values in whole.attributes.items():
        assert joined.attributes[name].tolist() == values.tolist()
        assert [type(v) for v in joined.attributes[name].tolist()] == [type(v) for v in values.tolist()]


def test_joining_moves_parents_and_keeps_what_all_have():
    a, b = example(), example().replace(scores=None, attributes={"tone": [1, 2, 3, 4]})
    joined = Instances.concat([a, b])
    assert joined.parents.tolist() == [-1, 0, -1, 2, -1, 4, -1, 6]
    assert joined.scores is None
    assert list(joined.attributes) == ["tone"]
    assert joined.attributes["tone"].tolist() == ["dark", "light", "dark", None, 1, 2, 3, 4]  # none turned into text
    with pytest.raises(DataError, match="at least one"):
        Instances.concat([])


def test_replace_is_validated():
    assert example().replace(labels=[0, 0, 0, 0]).labels.tolist() == [0] * 4
    with pytest.raises(DataError):
        example().replace(labels=[0])


@given(
    st.lists(
        st.one_of(
            st.integers(-(2**80), 2**80), st.floats(allow_nan=False), st.booleans(), st.none(), st.text(max_size=4),
            st.lists(st.integers(0, 3), max_size=2), st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
        ),
        max_size=4,
    )
)  # fmt: skip
def test_a_column_gives_back_what_was_put_in(values):
    back = column(values).tolist()
    assert back == values
    numbers = (int, float)  # 1 among floats may come back as 1.0
    assert all(
        type(a) is type(b) or (type(a) in numbers and type(b) in numbers) for a, b in zip(back, values, strict=True)
    )


def test_to_supervision():
    found = example()
    if importlib.util.find_spec("supervision") is None:
        with pytest.raises(KizuError, match=r"kizu\[supervision\]"):
            found.to_supervision()
        return
    detections = found.to_supervision()
    assert np.array_equal(detections.xyxy, found.boxes)
    assert np.array_equal(detections.class_id, found.labels)
    assert np.array_equal(detections.confidence, found.scores)
    assert np.array_equal(detections.mask, [found.masks.dense(i) for i in range(len(found))])
    assert detections.data["tone"].tolist() == found.attributes["tone"].tolist()
