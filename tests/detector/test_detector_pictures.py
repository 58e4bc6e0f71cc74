"""Which pictures are trained on and which are judged by, and every set that is refused with one clear line."""

import numpy as np
import pytest
from detector_scenes import chosen, dataset, picture, product

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.images import encode_image
from kizu.core.instances import Instances
from kizu.core.run import Skips
from kizu.core.sample import Sample


def ids(part):
    return {sample.id for sample in part}


def test_splits_of_the_data_set_are_kept_and_test_is_not_read():
    class Untouched(list):
        def __getitem__(self, i):
            sample = super().__getitem__(i)
            assert sample.split != "test"
            return sample

        splits = ("train",) * 8 + ("val",) * 4 + ("test",) * 4
        ids = tuple(f"{i}.png" for i in range(16))

    source = Untouched([*product(8, "train"), *product(4, "val", 8), *product(4, "test", 12)])
    found = chosen(Dataset(source, ("disc", "bar")))
    assert ids(found.train) == {f"{i}.png" for i in range(8)}
    assert ids(found.val) == {f"{i}.png" for i in range(8, 12)}
    assert found.train.counts.tolist()[:4] == [[1, 0], [0, 1], [1, 1], [0, 0]]
    assert found.train.good.tolist()[:4] == [False, False, False, True]
    assert found.notes == []


def test_without_val_a_fifth_is_held_out():
    found = chosen(dataset(product(40, "train"), product(8, "test", 40)))
    assert len(found.train) + len(found.val) == 40
    assert 6 <= len(found.val) <= 12
    assert found.val.counts.any(0).all() and found.val.good.any()
    assert not ids(found.train) & ids(found.val)
    assert "held out" in found.notes[0]


def test_no_splits_at_all():
    assert len(chosen(dataset(product(20))).train) < 20


@pytest.mark.parametrize("val", ["val", "own"])
def test_val_is_another_data_set(val, tmp_path):
    dataset(product(4, "val" if val == "val" else "")).write(tmp_path / "other", "coco")
    named = str(tmp_path / "other") if val == "own" else str(tmp_path / "other" / "val")
    found = chosen(dataset(product(8, "train", 10)), val=named)
    assert (len(found.train), len(found.val)) == (8, 4)


def test_labels_follow_the_chosen_classes():
    found = chosen(dataset(product(16, "train"), product(8, "val", 20)), classes=["bar"])
    assert found.names == ("bar",)
    for sample, counts in zip(found.train, found.train.counts, strict=True):
        assert sample.instances.labels.tolist() == [0] * counts[0]
    # A picture of another defect is no good one.
    assert found.train.good.sum() == 4


def test_good_pictures_of_a_folder(tmp_path):
    for i in range(10):
        (tmp_path / f"{i}.png").write_bytes(encode_image(picture(100 + i, ()).image))
    found = chosen(dataset(product(8, "train"), product(4, "val", 8)), clean=Dataset.open(tmp_path))
    assert (found.train.good.sum(), found.val.good.sum()) == (2 + 5, 1 + 5)
    assert len(found.train.counts) == len(found.train) == len(list(found.train))


def test_pictures_that_nobody_labelled_are_no_good_ones():
    unlabelled = [picture(50 + i, (), split="train", labelled=False) for i in range(3)]
    data = dataset(product(8, "train"), unlabelled, product(4, "val", 8))
    assert len(chosen(data).train) == 8
    assert len(chosen(data, empty_is_clean=False).train) == 6


def test_broken_pictures_are_passed_over(tmp_path):
    broken = Sample("broken.png", b"no picture", Instances.empty((64, 80)), split="train")
    skips = Skips()
    found = chosen(dataset(product(8, "train"), [broken], product(4, "val", 8)), skips=skips)
    assert len(found.train) == 8
    assert [item["item"] for item in skips.items] == ["broken.png"]


def test_masks_of_another_size_are_passed_over():
    wrong = picture(1, (0,), split="train")
    wrong = wrong.replace(id="wrong.png", image=np.zeros((32, 32, 3), np.uint8))
    skips = Skips()
    chosen(dataset(product(8, "train"), [wrong], product(4, "val", 8)), skips=skips)
    assert "32 x 32" in skips.items[0]["reason"]


def test_crowd_regions_are_no_objects():
    sample = picture(1, (0, 1), split="train")
    crowd = sample.instances.replace(attributes={"iscrowd": [1, 0]})
    found = chosen(
        dataset([sample.replace(instances=crowd, id="crowd")], product(8, "train", 5), product(4, "val", 20))
    )
    assert found.train[0].instances.labels.tolist() == [1]
    assert found.train.counts[0].tolist() == [0, 1]


def test_boxes_will_do_for_a_detector_of_boxes():
    data = dataset(product(8, "train", masks=False), product(4, "val", 8, masks=False))
    assert not chosen(data, masks=False).masks
    assert chosen(dataset(product(8, "train"), product(4, "val", 8)), masks=False).masks


def one_class(split, first, label, count=4):
    return [picture(first + i, (label,), split=split) for i in range(count)]


REFUSED = {
    "boxes only": (dataset(product(8, masks=False)), {}, "boxes without masks, and kizu-dense learns from masks"),
    "test": (dataset(product(8, "test")), {"split": "test"}, "the split test is for kizu evaluate alone"),
    "val test": (dataset(product(8, "test")), {"val": "test"}, "the split test is for kizu evaluate alone"),
    "only test": (dataset(product(8, "test")), {}, "no picture to train on; the splits are: test (8)"),
    "no such split": (dataset(product(8, "train")), {"split": "night"}, "no image belongs to the split 'night'"),
    "no such val": (dataset(product(8, "train")), {"val": "night"}, "--val night: neither a split"),
    "train twice": (dataset(product(8, "train")), {"val": "train"}, "trained on and judged by"),
    "nothing labelled": (dataset([picture(i, ()) for i in range(4)]), {}, "none of the 4 training pictures"),
    "one picture": (dataset([picture(1, (0,))]), {}, "1 labelled picture(s) and no split val"),
    "one group": (dataset(product(8, group="a")), {}, "nothing is left to judge by"),
    "unknown class": (dataset(product(8)), {"classes": ["dent"]}, "unknown class 'dent'"),
    "class without instance": (
        dataset(one_class("train", 0, 0), one_class("val", 9, 0)), {"classes": ["disc", "bar"]},
        "class 'bar' has no instance to train on",
    ),
    "class of val alone": (
        dataset(one_class("train", 0, 0), one_class("val", 9, 1)), {},
        "class 'bar' is on 4 validation picture(s) and on none to train on",
    ),
    "val shows nothing": (
        dataset(one_class("train", 0, 0), [picture(9, (), split="val")]), {},
        "none of the 1 validation pictures shows disc",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    data, options, message = REFUSED[case]
    with pytest.raises(KizuError) as error:
        chosen(data, **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_classes_that_differ(tmp_path):
    dataset(product(4), names=("Disc", "Bar")).write(tmp_path / "other", "coco")
    with pytest.raises(KizuError, match=r"the classes differ: validation has Disc, Bar, .*rename"):
        chosen(dataset(product(8, "train")), val=str(tmp_path / "other"))


def test_a_class_without_instance_is_left_out_and_told():
    found = chosen(dataset(one_class("train", 0, 0), one_class("val", 9, 0)))
    assert found.names == ("disc",)
    assert "No training picture shows bar" in found.notes[0]


def test_one_channel_and_sixteen_bits(tmp_path):
    grey = (picture(3, (0,)).image[:, :, 0].astype(np.uint16) * 257, picture(4, (0,)).image[:, :, 0])
    for i, values in enumerate(grey):
        (tmp_path / f"{i}.png").write_bytes(encode_image(values))
    samples = [
        Sample(f"{i}", instances=picture(3 + i, (0,)).instances, path=tmp_path / f"{i}.png", split="train")
        for i in (0, 1)
    ]
    found = chosen(dataset(samples, one_class("val", 8, 0)))
    for i in (0, 1):
        assert (found.train[i].image == picture(3 + i, (0,)).image).all()
