"""Which pictures a fit draws: shots a class, groups, good pictures, and everything that can be wrong with them."""

import numpy as np
import pytest

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.images import encode_image
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.fewshot.support import CLEAN, MOST_CLEAN, MOST_SHOTS, choose_support

NAMES = ("scratch", "stain", "chip")
SIZE = (12, 16)
IMAGE = encode_image(np.zeros((*SIZE, 3), np.uint8))


def picture(name, labels, group="", data=IMAGE, **options):
    dense = np.zeros((len(labels), *SIZE), bool)
    for k, mask in enumerate(dense):
        mask[k : k + 2, 2:6] = True
    found = Instances(labels, masks=Masks.from_dense(dense, SIZE))
    return Sample(name, data, found, group=group, size=SIZE, **options)


def chosen(samples, classes=None, shots=None, clean=None, seed=0, skips=None, false_alarms=0.05):
    clean = None if clean is None else Dataset(clean, [])
    return choose_support(
        Dataset(samples, NAMES), classes, shots, clean, seed, skips if skips is not None else Skips(), false_alarms
    )


def ids(samples):
    return [sample.id for sample in samples]


MANY = (
    [picture(f"s{i}", [0]) for i in range(8)]
    + [picture(f"t{i}", [1, 1]) for i in range(3)]
    + [picture(f"both{i}", [0, 1]) for i in range(2)]
    + [picture(f"c{i}", [2]) for i in range(30)]
    + [picture(f"good{i}", []) for i in range(4)]
)


def shown(support, name):
    k = support.names.index(name)
    return sum(bool((sample.instances.labels == k).any()) for sample in support.labelled)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shots", [1, 2, 5, 40])
def test_shots_a_class(shots, seed):
    support = chosen(MANY, shots=shots, seed=seed)
    assert support.names == NAMES
    there = {"scratch": 10, "stain": 5, "chip": 30}
    for name in NAMES:
        # A picture that was drawn for another class may bring one more.
        assert min(shots, there[name]) <= shown(support, name) <= min(shots, there[name]) + 2
    assert len(set(ids(support.labelled))) == len(support.labelled)
    assert ids(support.clean) == [f"good{i}" for i in range(4)]
    assert support.clean_there == 4


def test_without_a_number_all_up_to_a_limit():
    support = chosen(MANY)
    assert shown(support, "chip") == MOST_SHOTS
    assert shown(support, "scratch") == 10
    assert shown(support, "stain") == 5


@pytest.mark.parametrize("shots", [0, -1])
def test_no_shots_are_an_error(shots):
    with pytest.raises(KizuError, match="shots"):
        chosen(MANY, shots=shots)


def test_the_same_seed_draws_the_same():
    draws = [ids(chosen(MANY, shots=2, seed=seed).labelled) for seed in (1, 1, 2, 3, 4)]
    assert draws[0] == draws[1]
    assert len({tuple(draw) for draw in draws}) > 2


def test_labels_are_those_of_the_chosen_classes():
    support = chosen(MANY, ["chip", "stain"])
    assert support.names == ("chip", "stain")
    assert not [name for name in ids(support.labelled) if name.startswith("s")]
    for sample in support.labelled:
        expected = {"t": {1}, "b": {1, 2}, "c": {0}}[sample.id[0]]
        assert set(sample.instances.labels.tolist()) == expected, "2 stands for every other class"
    assert shown(chosen(MANY, ["stain", "stain"]), "stain") == 5
    assert chosen(MANY, ["stain", "stain"]).names == ("stain",)


@pytest.mark.parametrize("seed", range(5))
def test_pictures_of_different_groups_come_first(seed):
    samples = [picture(f"{group}{i}", [0], group) for group in "abc" for i in range(4)]
    for shots in (2, 3):
        support = chosen(samples, shots=shots, seed=seed)
        assert len({sample.group for sample in support.labelled}) == shots
    assert len(chosen(samples, shots=5, seed=seed).labelled) == 5
    alone = [picture(f"{i}", [0]) for i in range(4)] + samples[:4]
    assert len({sample.group or sample.id for sample in chosen(alone, shots=5, seed=seed).labelled}) == 5


def test_classes_without_labels():
    samples = [sample for sample in MANY if not sample.id.startswith(("t", "b"))]
    assert chosen(samples).names == ("scratch", "chip")
    with pytest.raises(KizuError, match="'stain' has no labelled picture"):
        chosen(samples, ["stain"])
    with pytest.raises(KizuError, match=r"unknown class 'dent'.*scratch, stain, chip"):
        chosen(samples, ["dent"])
    with pytest.raises(KizuError, match="no labelled picture was found"):
        chosen(MANY[-4:])
    with pytest.raises(KizuError, match="no labelled picture was found"):
        chosen([])


def test_boxes_alone_do_not_do():
    boxes = Instances([0], np.array([[1, 1, 5, 5]]))
    with pytest.raises(KizuError, match=r"boxed: its labels are boxes without masks.*draw polygons or masks"):
        chosen([*MANY, Sample("boxed", IMAGE, boxes, size=SIZE)])
    both = picture("both", [0, 2])
    drawn = Masks.from_dense([both.instances.masks.dense(0), np.zeros(SIZE, bool)], SIZE)
    found = both.instances.replace(masks=drawn, attributes={"has_mask": np.array([True, False])})
    both = both.replace(instances=found)
    with pytest.raises(KizuError, match=r"both: 1 of its 2 labels are boxes without masks, one of chip.*--partial"):
        chosen([both], skips=Skips(strict=True))


def wrong():
    raise DataError("wrong: its labels cannot be read; label it again")


def test_what_is_broken_is_passed_over_and_listed_once():
    samples = [
        picture("whole", [0, 1]),
        picture("broken", [0, 1], data=b"no image"),
        Sample("wrong", IMAGE, wrong, size=SIZE),
        picture("good", []),
    ]
    for seed in range(4):
        skips = Skips()
        support = chosen(samples, seed=seed, skips=skips)
        assert ids(support.labelled) == ["whole"]
        assert sorted(item["item"] for item in skips.items) == ["broken", "wrong"]
    with pytest.raises(DataError, match="wrong: its labels"):
        chosen(samples, skips=Skips(strict=True))


def test_the_next_picture_stands_for_a_broken_one():
    samples = [picture(f"{i}", [0], data=b"no image" if i < 6 else IMAGE) for i in range(9)]
    for seed in range(5):
        skips = Skips()
        assert len(chosen(samples, shots=3, seed=seed, skips=skips).labelled) == 3
        assert len(skips.items) == len({item["item"] for item in skips.items}) <= 6


def test_a_class_whose_pictures_are_all_broken():
    samples = [picture("s", [0]), picture("t", [1], data=b"no image")]
    assert chosen(samples).names == ("scratch",)
    with pytest.raises(KizuError, match=r"'stain': none of its labelled pictures can be used, .*not an image"):
        chosen(samples, ["scratch", "stain"])


def test_a_mask_of_another_size_than_its_picture():
    small = encode_image(np.zeros((6, 16, 3), np.uint8))
    skips = Skips()
    support = chosen([picture("right", [0]), picture("other", [0], data=small)], skips=skips)
    assert ids(support.labelled) == ["right"]
    (item,) = skips.items
    assert item["item"] == "other"
    assert "6 x 16" in item["reason"] and "12 x 16" in item["reason"]


def test_good_pictures_from_elsewhere():
    clean = [Sample(f"g{i}", IMAGE) for i in range(5)]
    support = chosen(MANY, clean=clean)
    assert ids(support.clean) == [f"g{i}" for i in range(5)]
    none = chosen(MANY, clean=[])
    assert (none.clean, none.clean_there) == ([], 0)


@pytest.mark.parametrize("alarms, count", [(0.05, CLEAN), (0.01, 99), (0.001, MOST_CLEAN)])
def test_the_smaller_the_share_the_more_good_pictures(alarms, count):
    clean = [Sample(f"{i:03d}", IMAGE) for i in range(400)]
    support = chosen(MANY, ["scratch"], clean=clean, false_alarms=alarms)
    assert len(support.clean) == len(set(ids(support.clean))) == count
    assert ids(support.clean) == sorted(ids(support.clean))
    assert support.clean_there == 400
    other = chosen(MANY, ["scratch"], clean=clean, false_alarms=alarms, seed=1)
    assert ids(other.clean) != ids(support.clean)


@pytest.mark.parametrize("alarms", [0, 1, -0.1, 5, float("nan")])
def test_a_share_that_is_none(alarms):
    with pytest.raises(KizuError, match="not a share between 0 and 1"):
        chosen(MANY, false_alarms=alarms)


def test_pictures_that_nobody_looked_at_are_not_good():
    samples = [*MANY, picture("unseen", [], labelled=False)]
    assert "unseen" not in ids(chosen(samples).clean)
