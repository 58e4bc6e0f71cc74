"""``Dataset``: access, order, splits, names, laziness, and what an unknown path or format is answered with."""

import numpy as np
import pytest

from kizu.core.dataset import Dataset, formats
from kizu.core.errors import DataError, KizuError
from kizu.core.sample import Sample

SPLITS = ["train", "test", "", "train", "extra"]


class Counting:
    """A source that counts its reads."""

    def __init__(self, length, **known):
        self.length = length
        self.reads = []
        for name, values in known.items():
            setattr(self, name, values)

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        self.reads.append(i)
        return Sample(f"{i}.png", path=f"{i}.png", size=(2, 2), split=SPLITS[i])


KEYS = {
    "slice": slice(1, 4), "backwards": slice(None, None, -2), "bools": np.array([1, 0, 0, 1, 1], bool),
    "indices": np.array([4, 0, 0]), "list": [2, 1], "nothing": [],
}  # fmt: skip


@pytest.mark.parametrize("key", KEYS.values(), ids=list(KEYS))
def test_parts(key):
    source = Counting(5)
    part = Dataset(source, ["a"], {"title": "t"}, ["note"])[key]
    assert source.reads == []
    expected = [f"{i}.png" for i in np.arange(5)[key]]
    assert len(part) == len(expected)
    assert part.ids == expected == [sample.id for sample in part]
    assert (part.names, part.info, part.notes) == (("a",), {"title": "t"}, ["note"])
    assert part[::-1].ids == expected[::-1]


@pytest.mark.parametrize("key", [0, -1, np.int64(4)])
def test_one_sample(key):
    assert Dataset(Counting(5), [])[key].id == f"{np.arange(5)[key]}.png"


@pytest.mark.parametrize("key", [5, -6, [7], np.zeros(3, bool)])
def test_out_of_range(key):
    with pytest.raises(IndexError):
        Dataset(Counting(5), [])[key]


def test_a_list_of_samples_is_a_source():
    data = Dataset([Sample("x", split="val"), Sample("y")], ["a"])
    assert data.ids == ["x", "y"]
    assert data.splits == {"val": 1, "": 1}


@pytest.mark.parametrize("known", [{}, {"splits": SPLITS}])
def test_splits(known):
    source = Counting(5, **known)
    data = Dataset(source, [])
    assert list(data.splits.items()) == [("train", 2), ("test", 1), ("", 1), ("extra", 1)]
    assert data.split("train").ids == ["0.png", "3.png"]
    assert data[1:].split("train").ids == ["3.png"]
    assert data.split("").ids == ["2.png"]
    assert data.split(None) is data
    with pytest.raises(KizuError, match=r"'val'; there are: train \(2\), test \(1\), \(none\) \(1\), extra \(1\)"):
        data.split("val")
    with pytest.raises(KizuError, match="it is empty"):
        data[[]].split("val")


def test_known_ids_and_splits_spare_the_samples():
    source = Counting(5, splits=SPLITS, ids=[f"{i}.png" for i in range(5)])
    data = Dataset(source, [])[::-1]
    assert data.ids[0] == "4.png"
    assert data.split("train").ids == ["3.png", "0.png"]
    assert source.reads == []


def test_names():
    data = Dataset([], ["scratch", "dent"])
    assert data.label("dent") == 1
    with pytest.raises(KizuError, match="'crack'; this data set has scratch, dent"):
        data.label("crack")
    with pytest.raises(DataError, match=r"\['b'\] stand twice"):
        Dataset([], ["a", "b", "b"])
    assert repr(data) == "Dataset(0 images, 2 classes)"


def test_paths_and_formats_that_are_not_there(tmp_path):
    with pytest.raises(KizuError, match="no such file or folder"):
        Dataset.open(tmp_path / "nothing")
    with pytest.raises(KizuError, match=r"'shapes'; known are shards, "):
        Dataset.open(tmp_path, format="shapes")
    with pytest.raises(KizuError, match="were found there"):
        Dataset.open(tmp_path)
    with pytest.raises(KizuError, match="cannot write format 'shapes'; known are shards, "):
        Dataset([], []).write(tmp_path / "out", "shapes")
    assert not (tmp_path / "out").exists()


def test_probes_never_raise(tmp_path):
    (tmp_path / "instances.json").write_bytes(b"\xff\x00 {")
    (tmp_path / "dataset.json").mkdir()
    for item in formats().values():
        assert item.probe(tmp_path / "gone") is False
        assert item.probe(tmp_path) in (True, False)
        assert item.probe(tmp_path / "instances.json") in (True, False)
