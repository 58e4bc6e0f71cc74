"""COCO as tools write it: ids, polygons, crowds, split layouts, and records that cannot be used."""

import json

import numpy as np
import pytest
from format_samples import shapes, texture
from pycocotools import mask as coco
from pycocotools.coco import COCO

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.images import encode_image
from kizu.core.masks import Masks
from kizu.formats.coco import probe
from kizu.formats.common.coco_out import xywh


def table(**fields) -> dict:
    """Two images of 32 x 40, two polygons, categories 3, 7, 90."""
    images = [
        {"id": 12, "file_name": "a.png", "width": 40, "height": 32},
        {"id": 3, "file_name": "b.png", "width": 40, "height": 32},
    ]
    square = [[2, 2, 12, 2, 12, 9, 2, 9]]
    annotations = [
        {
            "id": 5,
            "image_id": 3,
            "category_id": 90,
            "bbox": [2, 2, 10, 7],
            "segmentation": square,
            "iscrowd": 0,
            "area": 70,
        },
        {"id": 9, "image_id": 12, "category_id": 7, "bbox": [1, 1, 4, 4]},
    ]
    names = [{"id": 3, "name": "c"}, {"id": 90, "name": "a"}, {"id": 7, "name": "b"}]
    return {"images": images, "annotations": annotations, "categories": names} | fields


def place(folder, content, name="instances.json", images=("a.png", "b.png"), below="images"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / below).mkdir(parents=True, exist_ok=True)
    for k, image in enumerate(images):
        (folder / below / image).write_bytes(encode_image(texture(k, 32, 40)))
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_ids_keep_their_values_and_labels_their_order(tmp_path):
    data = Dataset.open(place(tmp_path / "d", table()))
    assert data.names == ("c", "a", "b")
    assert [sample.meta["coco_id"] for sample in data] == [12, 3]
    assert [data.names[k] for sample in data for k in sample.instances.labels] == ["b", "a"]
    assert data[1].instances.masks.area.tolist() == [70]
    assert data[0].instances.masks is None


def test_all_kinds_of_masks_are_those_of_pycocotools(tmp_path):
    ring = np.asfortranarray(shapes(32, 40)[1].astype(np.uint8))
    code = coco.encode(ring)
    counts = Masks.from_dense(ring[None]).to_coco(compressed=False)[0]
    polygons = [[3.3, 4.1, 20.7, 5.2, 9.9, 22.5], [25, 20, 35, 20, 35, 30]]
    base = {"image_id": 12, "category_id": 3, "bbox": [2, 12, 12, 12], "area": 1}
    things = [
        {"size": [32, 40], "counts": code["counts"].decode()},
        counts,
        polygons,
        polygons[0],
    ]
    content = table(annotations=[base | {"id": k, "segmentation": s, "iscrowd": k % 2} for k, s in enumerate(things)])
    folder = place(tmp_path / "d", content)
    found = Dataset.open(folder)[0].instances
    content["annotations"][3]["segmentation"] = [polygons[0]]
    (tmp_path / "ref.json").write_text(json.dumps(content))
    reference = COCO(str(tmp_path / "ref.json"))
    for i, annotation in enumerate(reference.loadAnns([0, 1, 2, 3])):
        np.testing.assert_array_equal(found.masks.dense(i), reference.annToMask(annotation).astype(bool))
    assert found.attributes["iscrowd"].tolist() == [0, 1, 0, 1]


def test_what_we_write_pycocotools_reads(rich, tmp_path):
    rich.write(tmp_path / "out", "coco")
    reference = COCO(str(tmp_path / "out" / "instances.json"))
    found = rich[0].instances
    for i, id in enumerate(found.attributes["coco_id"].tolist()):
        annotation = reference.anns[id]
        assert reference.cats[annotation["category_id"]]["name"] == rich.names[found.labels[i]]
        if found.attributes["has_mask"][i]:
            np.testing.assert_array_equal(reference.annToMask(annotation), found.masks.dense(i))
            assert annotation["area"] == found.masks.area[i]
        x, y, w, h = annotation["bbox"]
        np.testing.assert_array_equal(np.float32([x, y, x + w, y + h]), found.boxes[i])


@pytest.mark.parametrize(
    "box, expected",
    [
        ([1, 2, 11, 22], [1, 2, 10, 20]),
        ([10.3, 5.7, 30.4, 14.5], [10.3, 5.7, 20.1, 8.8]),
        ([0.1, 0.2, 0.3, 0.7], [0.1, 0.2, 0.2, 0.5]),
        ([0, 0, 1 / 3, 4096.015], None),
    ],
)
def test_boxes_in_the_fewest_digits(box, expected):
    box = np.float32(box)
    x, y, w, h = xywh(box)
    np.testing.assert_array_equal(np.float32([x, y, x + w, y + h]), box)
    assert expected is None or [x, y, w, h] == expected


LAYOUTS = {
    "roboflow": [("train/_annotations.coco.json", "train"), ("valid/_annotations.coco.json", "valid")],
    "coco 2017": [
        ("annotations/instances_train2017.json", "train2017"),
        ("annotations/instances_val2017.json", "val2017"),
    ],
    "images by split": [
        ("annotations/instances_train.json", "images/train"),
        ("annotations/instances_val.json", "images/val"),
    ],
    "flat": [("train.json", "images"), ("val.json", "images")],
}


@pytest.mark.parametrize("files", LAYOUTS.values(), ids=LAYOUTS)
def test_split_layouts(tmp_path, files):
    for k, (file, below) in enumerate(files):
        name = f"{k}.png"
        content = table(
            images=[{"id": 12, "file_name": name, "width": 40, "height": 32}], annotations=[table()["annotations"][1]]
        )
        place(tmp_path / "d", content, file, [name], below)
    data = Dataset.open(tmp_path / "d")
    assert data.splits == {"train": 1, "val": 1}
    assert [sample.id for sample in data] == ["0.png", "1.png"]
    assert [len(sample.instances) for sample in data] == [1, 1]
    assert all(sample.image.shape == (32, 40, 3) for sample in data)
    assert any("numbered anew" in text for text in data.write(tmp_path / "out", "coco"))  # both images have the id 12
    assert Dataset.open(tmp_path / "out").splits == data.splits


def test_the_same_file_name_in_two_splits(tmp_path):
    for part in ("train", "test"):
        place(tmp_path / "d", table(), f"{part}/_annotations.coco.json", below=part)
    assert sorted(s.id for s in Dataset.open(tmp_path / "d")) == [
        "test/a.png",
        "test/b.png",
        "train/a.png",
        "train/b.png",
    ]


@pytest.mark.parametrize("where", ["images", ".", "data"])
def test_image_folders(tmp_path, where):
    folder = place(tmp_path / "d", table(), below=where)
    assert [s.image.shape for s in Dataset.open(folder / "instances.json")] == [(32, 40, 3)] * 2


def bad(**fields):
    return {"id": 77, "image_id": 12, "category_id": 7, "bbox": [1, 1, 4, 4]} | fields


BROKEN = {
    "unknown category": (bad(category_id=8), "category_id"),
    "category as a list": (bad(category_id=[7]), "category_id"),
    "no box at all": (bad(bbox=None), "bbox"),
    "box of three": (bad(bbox=[1, 2, 3]), "bbox"),
    "box of texts": (bad(bbox=["1", "2", "3", "4"]), "bbox"),
    "negative box": (bad(bbox=[5, 5, -2, 3]), "bbox"),
    "infinite box": (bad(bbox=[5, 5, 1e999, 3]), "bbox"),
    "box of huge numbers": (bad(bbox=[10**400, 5, 1, 3]), "bbox"),
    "two points": (bad(segmentation=[[1, 2, 3, 4]]), "segmentation"),
    "a polygon of texts": (bad(segmentation=[["a", 2, 3, 4, 5, 6]]), "segmentation"),
    "a polygon far away": (bad(segmentation=[[1e12, 2, 3, 4, 5, 6]]), "segmentation"),
    "a code of another size": (bad(segmentation={"size": [40, 32], "counts": [1280]}), "segmentation"),
    "a code cut short": (bad(segmentation={"size": [32, 40], "counts": "P2"}), "segmentation"),
    "counts of huge numbers": (bad(segmentation={"size": [32, 40], "counts": [10**30]}), "segmentation"),
    "counts that are nested": (bad(segmentation={"size": [32, 40], "counts": {"a": 1}}), "segmentation"),
    "a size that is no list": (bad(segmentation={"size": 5, "counts": [1]}), "segmentation"),
    "a mask as a number": (bad(segmentation=5), "segmentation"),
    "an id that is a list": (bad(id=[1]), "id"),
    "a score that is none": (bad(score="high"), "score"),
}


@pytest.mark.parametrize("record, field", BROKEN.values(), ids=BROKEN)
def test_a_broken_annotation_spoils_its_image_alone(tmp_path, record, field):
    folder = place(tmp_path / "d", table(annotations=[*table()["annotations"], record]))
    data = Dataset.open(folder)
    assert len(data[1].instances) == 1
    with pytest.raises(DataError) as error:
        _ = data[0].instances
    text = str(error.value)
    assert "instances.json" in text and "image 12" in text and "annotation" in text and field in text
    assert data[0].image.shape == (32, 40, 3)


IMAGES = {
    "not a record": 5,
    "no id": {"file_name": "a.png"},
    "no name": {"id": 12},
    "a name that is a number": {"id": 12, "file_name": 5},
    "a name that no file can have": {"id": 12, "file_name": "\ud800.png"},
    "sizes as text": {"id": 12, "file_name": "a.png", "width": "40", "height": "32"},
    "negative size": {"id": 12, "file_name": "a.png", "width": -40, "height": 32},
    "an id that stands twice": {"id": 3, "file_name": "a.png"},
    "a name that stands twice": {"id": 12, "file_name": "b.png"},
}


@pytest.mark.parametrize("record", IMAGES.values(), ids=IMAGES)
def test_a_broken_image_record_is_one_sample_that_cannot_be_used(tmp_path, record):
    folder = place(tmp_path / "d", table(images=[record, *table()["images"][1:]]))
    data = Dataset.open(folder)
    assert len(data) == 2
    with pytest.raises(DataError, match=r"instances\.json"):
        _ = data[0].instances
    assert len({sample.id for sample in data}) == 2


FILES = {
    "empty": "",
    "cut": '{"images": [',
    "not an object": "5",
    "results alone": "[]",
    "no images": "{}",
    "images as text": '{"images": "x"}',
    "annotations as text": '{"images": [], "annotations": 5}',
    "nested": "[" * 100_000,
    "a huge number": '{"images": [' + "1" * 10_000 + "]}",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_a_file_that_is_no_coco(tmp_path, text):
    folder = place(tmp_path / "d", text)
    assert probe(folder)
    with pytest.raises(KizuError, match=r"instances\.json"):
        Dataset.open(folder)


def test_several_files_without_a_split_ask_for_a_choice(tmp_path):
    for name in ("one.json", "two.json"):
        place(tmp_path / "d", table(), name)
    with pytest.raises(KizuError, match=r"one\.json, two\.json"):
        Dataset.open(tmp_path / "d")
    assert len(Dataset.open(tmp_path / "d" / "one.json")) == 2


def test_annotations_alone_beside_other_files(small, tmp_path):
    (tmp_path / "mine.txt").write_text("stays")
    small.write(tmp_path / "predictions.json", "coco")
    small.write(tmp_path, "coco", images=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["instances.json", "mine.txt", "predictions.json"]
    assert (tmp_path / "predictions.json").read_bytes() == (tmp_path / "instances.json").read_bytes()


def test_fresh_category_ids_do_not_take_a_used_one(small, tmp_path):
    small.info["coco_categories"] = [{"id": 2, "name": small.names[2]}]
    small.write(tmp_path / "out", "coco")
    written = json.loads((tmp_path / "out" / "instances.json").read_text("utf-8"))["categories"]
    assert [record["id"] for record in written] == [1, 3, 2]


def test_splits_with_one_id_for_two_classes_are_numbered_anew(tmp_path):
    (tmp_path / "in" / "images").mkdir(parents=True)
    for split, id, name in (("train", 1, "scratch"), ("val", 1, "dent"), ("test", 2, "pit")):
        (tmp_path / "in" / "images" / f"{split}.png").write_bytes(encode_image(np.zeros((8, 8, 3), np.uint8)))
        record = {
            "images": [{"id": 1, "file_name": f"{split}.png", "height": 8, "width": 8}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": id, "bbox": [1, 1, 3, 3]}],
            "categories": [{"id": id, "name": name, "supercategory": "s"}],
        }
        (tmp_path / "in" / f"{split}.json").write_text(json.dumps(record))
    data = Dataset.open(tmp_path / "in")
    losses = data.write(tmp_path / "out", "coco")
    assert [text for text in losses if text.startswith("1 category ids were numbered anew")]
    written = COCO(str(tmp_path / "out" / "instances.json"))
    assert sorted(c["name"] for c in written.cats.values()) == ["dent", "pit", "scratch"]
    assert all(c["supercategory"] == "s" for c in written.cats.values())
    found = {
        written.imgs[a["image_id"]]["split"]: written.cats[a["category_id"]]["name"] for a in written.anns.values()
    }
    assert found == {"train": "scratch", "val": "dent", "test": "pit"}
    again = Dataset.open(tmp_path / "out")
    assert again.write(tmp_path / "third", "coco") == []
