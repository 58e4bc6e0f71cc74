"""MVTec-AD-style folders and plain images."""

import numpy as np
import pytest
from format_samples import texture

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.images import encode_image
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample

MASK = np.zeros((32, 40), np.uint8)
MASK[4:10, 5:12] = MASK[20:24, 20:30] = 255


def make(root, names, masks=None):
    for k, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encode_image(texture(k, 32, 40)))
    for name, values in (masks or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encode_image(values))
    return root


BOTTLE = ["train/good/000.png", "test/good/000.png", "test/broken/000.png", "test/a scratch/000.png"]


@pytest.mark.parametrize(
    "masks, count",
    [
        ({"ground_truth/broken/000_mask.png": MASK}, 2),
        ({"ground_truth/broken/000.png": MASK}, 2),
        ({"ground_truth/broken/000_mask.png": MASK // 255 * 3}, 2),
        ({"ground_truth/broken/000/000.png": MASK, "ground_truth/broken/000/001.png": MASK[::-1].copy()}, 4),
        ({"ground_truth/broken/000_mask.png": MASK.astype(np.uint16) * 257}, 2),
    ],
    ids=["suffix", "no suffix", "small numbers", "LOCO", "16 bits"],
)
def test_reading(tmp_path, masks, count):
    data = Dataset.open(make(tmp_path, BOTTLE, masks))
    assert data.names == ("a scratch", "broken")
    assert data.splits == {"train": 1, "test": 3}
    found = {s.id: s for s in data}
    assert found["test/broken/000.png"].instances.labels.tolist() == [1] * count
    assert len(found["test/good/000.png"].instances) == 0
    bare = found["test/a scratch/000.png"]
    assert len(bare.instances) == 0 and bare.meta["image_label"] == "a scratch"
    assert data.notes == ["1 defective images have no mask; only meta['image_label'] tells of their defect"]


def test_a_mask_of_another_size(tmp_path):
    data = Dataset.open(make(tmp_path, BOTTLE, {"ground_truth/broken/000_mask.png": MASK[:16]}))
    with pytest.raises(DataError, match=r"000_mask\.png"):
        [s.instances for s in data]


def test_several_products_ask_for_a_choice(tmp_path):
    for part in ("bottle", "cable"):
        make(tmp_path / part, BOTTLE)
    with pytest.raises(KizuError, match="bottle, cable"):
        Dataset.open(tmp_path)


def test_what_was_read_is_written_again(tmp_path):
    first = Dataset.open(make(tmp_path / "in", BOTTLE, {"ground_truth/broken/000_mask.png": MASK}))
    assert first.write(tmp_path / "out", "mvtec") == []
    files = [{p.relative_to(tmp_path / k).as_posix() for p in (tmp_path / k).rglob("*.png")} for k in ("in", "out")]
    assert files[0] == files[1]
    for one, two in zip(first, Dataset.open(tmp_path / "out"), strict=True):
        assert one.id == two.id and one.meta == two.meta and one.image_bytes() == two.image_bytes()
        assert one.instances.masks == two.instances.masks


def test_writing_puts_defects_under_test_and_says_so(small, tmp_path):
    losses = small.write(tmp_path / "out", "mvtec")
    assert any("trains on good ones" in text for text in losses)
    assert any("'combined'" in text for text in losses)
    data = Dataset.open(tmp_path / "out")
    assert sorted((s.split, s.meta["image_label"]) for s in data) == [
        ("test", "Kratzer ü傷"),
        ("test", "combined"),
        ("test", "combined"),
        ("train", "good"),
    ]
    union = next(s for s in data if s.id.endswith("first 01.png")).instances.masks.union()
    np.testing.assert_array_equal(union, small[0].instances.masks.union())


def test_classes_lead_nowhere_else(tmp_path):
    found = Instances([0], masks=Masks.from_dense(MASK[None] > 0))
    Dataset([Sample("x", texture(0, 32, 40), found, split="test")], ["../../up"]).write(tmp_path / "a" / "out", "mvtec")
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and [p.name for p in (tmp_path / "a").iterdir()] == ["out"]


# --- plain images -------------------------------------------------------------------------------------------------


def test_images_with_and_without_splits(tmp_path):
    data = Dataset.open(make(tmp_path, ["b.png", "sub/ü x.png", "train/1.png", "val/1.png", "test/2.png"]))
    assert [(s.id, s.split) for s in data] == [
        ("b.png", ""),
        ("sub/ü x.png", ""),
        ("2.png", "test"),
        ("train/1.png", "train"),
        ("val/1.png", "val"),
    ]
    assert data.names == () and all(len(s.instances) == 0 for s in data)


def test_one_image_file(tmp_path):
    data = Dataset.open(make(tmp_path, ["b.png"]) / "b.png")
    assert [s.id for s in data] == ["b.png"] and data[0].image.shape == (32, 40, 3)


def test_images_cannot_be_written(small, tmp_path):
    with pytest.raises(KizuError, match="cannot write format 'images'"):
        small.write(tmp_path / "out", "images")
