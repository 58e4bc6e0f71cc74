"""Every writer against its reader, and the promise that shards and mask folders lose nothing of COCO."""

import json

import numpy as np
import pytest
from format_samples import DATA, assert_identical, assert_same

from kizu.core.dataset import Dataset, formats
from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.sample import Sample

WRITERS = ["coco", "yolo", "voc", "labelme", "masks", "shards", "odvg", "refcoco"]
WORDLESS = "no referring expressions"  # what the formats of expressions tell of a data set without any


@pytest.mark.parametrize("name", WRITERS)
def test_everything_common_survives(small, tmp_path, name):
    losses = small.write(tmp_path / "out", name)
    losses = [text for text in losses if WORDLESS not in text or name not in ("odvg", "refcoco")]
    again = Dataset.open(tmp_path / "out")  # recognised without being told
    assert_same(small, again)
    assert again.splits == small.splits
    assert again.names == small.names
    bridges = 3 if name == "yolo" else 0
    assert sum("bridges of no width" in text for text in losses) == (2 if bridges else 0)
    assert len(losses) == (2 if bridges else 0), losses


def with_expressions(data):
    """Every image is said to hold something single (where it has it), several, and something that is not there."""
    out = []
    for sample in data:
        sets = [targets for targets in ([1], [0, 3], []) if max(targets, default=-1) < len(sample.instances)]
        said = [
            {"text": f"the thing {k} ü", "targets": t, "number": ("none", "single", "several")[len(t)]}
            | {"content": "attribute", "form": ["one", "thing", [["colour", "red"]], []]}
            for k, t in enumerate(sets)
        ]
        out.append(sample.replace(meta=sample.meta | {"expressions": said}))
    return Dataset(out, data.names, data.info)


@pytest.mark.parametrize("name", ["coco", "labelme", "masks", "shards", "odvg", "refcoco"])
def test_nothing_is_lost(rich, tmp_path, name):
    rich = with_expressions(rich)
    assert rich.write(tmp_path / "out", name) == []
    again = Dataset.open(tmp_path / "out")
    if name == "labelme":  # attributes that are texts of JSON, None and empty texts are kept where labelme has a place
        again.info, rich.info = {}, {}
    assert_identical(rich, again)


@pytest.mark.parametrize("name", [*WRITERS, "mvtec", "panoptic"])
def test_written_twice_the_bytes_are_the_same(small, tmp_path, name):
    for part in ("one", "two"):
        small.write(tmp_path / part, name)
    one, two = (
        {p.relative_to(tmp_path / part): p.read_bytes() for p in sorted((tmp_path / part).rglob("*")) if p.is_file()}
        for part in ("one", "two")
    )
    assert one == two


@pytest.mark.parametrize(
    "name, word",
    [
        ("yolo", "groups"),
        ("yolo", "crowd"),
        ("yolo", "attributes"),
        ("yolo", "polygon has no place"),
        ("yolo", "Fields"),
        ("yolo", "links"),
        ("yolo", "empty masks"),
        ("voc", "overlaps|share"),
        ("voc", "scores"),
        ("voc", "groups"),
        ("mvtec", "scores"),
        ("mvtec", "several classes"),
        ("mvtec", "groups"),
        ("mvtec", "without a mask"),
        ("panoptic", "scores"),
        ("panoptic", "links"),
        ("panoptic", "attributes"),
        ("panoptic", "without a mask"),
        ("panoptic", "2 instances without a pixel"),
    ],
)
def test_losses_are_told(rich, tmp_path, name, word):
    losses = rich.write(tmp_path / "out", name)
    assert any(part.lower() in text.lower() for text in losses for part in word.split("|")), losses


@pytest.mark.parametrize("name", ["yolo", "voc", "mvtec"])
def test_what_the_data_set_tells_of_itself_is_counted(small, tmp_path, name):
    samples = [s.replace(source="mill", meta={"coco_id": k}) for k, s in enumerate(small)]
    data = Dataset(samples, small.names, {"title": "t", "licence": "CC0", "empty": None})
    losses = data.write(tmp_path / "out", name)
    assert "What the data set tells of itself was left out: licence, title." in losses
    assert any("sources of 4 images" in text for text in losses)
    assert any("COCO ids of 4 images" in text for text in losses)


@pytest.mark.parametrize("name", ["coco", "labelme", "masks", "shards", "odvg", "refcoco"])
def test_what_the_data_set_tells_of_itself_is_kept(small, tmp_path, name):
    data = Dataset([s.replace(source="mill") for s in small], small.names, {"title": "t", "licence": "CC0"})
    data = with_expressions(data)
    assert data.write(tmp_path / "out", name) == []
    again = Dataset.open(tmp_path / "out")
    assert {key: again.info[key] for key in data.info} == data.info
    assert {sample.source for sample in again} == {"mill"}


def test_score_maps_and_amodal_masks_are_told(small, tmp_path):
    found = small[0].instances
    sample = small[0].replace(instances=found.replace(amodal=found.masks), score_map=np.zeros((1, 32, 40), np.float32))
    data = Dataset([sample], small.names)
    assert any("core maps" in text for text in data.write(tmp_path / "a", "coco"))
    assert Dataset.open(tmp_path / "a")[0].instances.amodal == found.masks
    assert sum("amodal" in t or "core maps" in t for t in data.write(tmp_path / "b", "masks")) == 2


@pytest.mark.parametrize("name", [n for n in WRITERS if n != "shards"])
def test_a_full_folder_is_not_touched(small, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(KizuError, match="not an empty folder"):
        small.write(tmp_path / "out", name)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", WRITERS)
def test_a_failure_leaves_nothing_under_the_name(small, tmp_path, name):
    broken = Dataset([small[0], Sample("gone.png", path=tmp_path / "gone.png", size=(4, 4))], small.names)
    with pytest.raises(KizuError, match=r"gone\.png"):
        broken.write(tmp_path / "out", name)
    left = [p.name for p in tmp_path.rglob("*") if p.is_file()]
    assert left == (["dataset.json"] if name == "shards" else [])


@pytest.mark.parametrize("name", [n for n in WRITERS if n != "shards"])
def test_ids_and_splits_lead_nowhere_else(small, tmp_path, name):
    samples = [small[0].replace(id="../../out.png", split="../up"), small[1].replace(id="/abs/in.png")]
    Dataset(samples, small.names).write(tmp_path / "deep" / "er" / "out", name)
    assert {p.relative_to(tmp_path).parts[0] for p in tmp_path.rglob("*")} == {"deep"}
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["er"]
    assert [p.name for p in (tmp_path / "deep" / "er").iterdir()] == ["out"]


@pytest.mark.parametrize("name", [n for n in WRITERS if n != "shards"])
def test_arrays_in_memory_are_written_as_png(small, tmp_path, name):
    data = Dataset([Sample("0001", small[0].image, Instances.empty((32, 40)))], small.names)
    data.write(tmp_path / "out", name)
    again = Dataset.open(tmp_path / "out", name)
    assert again[0].id in ("0001", "0001.png")
    np.testing.assert_array_equal(again[0].image, small[0].image)


def test_every_format_says_what_it_is():
    assert next(iter(formats())) == "shards"
    assert list(formats())[-1] == "images"
    assert {"coco", "panoptic", "yolo", "voc", "mvtec", "labelme", "masks"} < set(formats())


@pytest.mark.parametrize("junk", ["empty", "file", "binary", "nested"])
def test_probing_never_raises(tmp_path, junk):
    place = tmp_path / "x"
    if junk == "file":
        place.write_bytes(b"")
    else:
        place.mkdir()
        if junk == "binary":
            for name in ("a.json", "a.txt", "classes.txt", "data.yaml", "a.xml"):
                (place / name).write_bytes(bytes(range(256)))
        if junk == "nested":
            for name in ("Annotations", "labels", "masks", "train/good", "a.json", "annotations/b.json"):
                (place / name).mkdir(parents=True, exist_ok=True)
    for item in formats().values():
        assert item.probe(place) in (True, False)
    with pytest.raises(KizuError):
        list(Dataset.open(place))


@pytest.mark.parametrize("name", ["magnetic_tile", "neu_seg_dedup", "bsdata"])
@pytest.mark.parametrize("between", ["shards", "masks"])
def test_real_sets_come_back_whole(tmp_path, name, between):
    if not (DATA / name).is_dir():
        pytest.skip(f"the real data set {name} is not beside the checkout")
    data = Dataset.open(DATA / name)[:: {"magnetic_tile": 4, "neu_seg_dedup": 4, "bsdata": 2}[name]]
    assert data.write(tmp_path / "a", "coco") == []
    assert Dataset.open(tmp_path / "a").write(tmp_path / "b", between) == []
    assert Dataset.open(tmp_path / "b").write(tmp_path / "c", "coco") == []
    first, last = (json.loads((tmp_path / p / "instances.json").read_text()) for p in ("a", "c"))
    assert first == last
    original = json.loads((DATA / name / "instances.json").read_text())
    kept = {image["id"] for image in last["images"]}
    assert last["categories"] == original["categories"]
    assert last["images"] == [image for image in original["images"] if image["id"] in kept]
    assert last["annotations"] == [a for a in original["annotations"] if a["image_id"] in kept]
