"""ODVG and RefCOCO-like references: read as the loaders of others read them, with spans cut out of the captions."""

import json

import numpy as np
import pytest
from format_samples import NAMES, shapes, texture
from hypothesis import given
from hypothesis import strategies as st

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.formats.odvg import LONGEST, _captions

SAID = [
    ("the first block.", [0]), ("İ the ring", [1]), ("the two of them", [0, 2]), ("the green thing", []),
    ("a line that is rather long, " + "so very " * 20 + "long", [4]), ("the ring again", [1]),
]  # fmt: skip


def expressions(said=SAID):
    numbers = ("none", "single", "several")
    return [
        {
            "text": t,
            "targets": i,
            "content": "attribute",
            "number": numbers[min(len(i), 2)],
            "form": ["one", "x", [], []],
        }
        for t, i in said
    ]


def data_of(**splits):
    """An image with expressions and one without in each split, and boxes with fractions."""
    found = Instances([0, 1, 2, 0, 1, 2], masks=Masks.from_dense(shapes(32, 40)))
    boxes = found.boxes + np.float32(0.3) * (np.arange(6) == 4)[:, None].astype(np.float32)
    samples = []
    for k, split in enumerate(splits or {"": 0}):
        meta = {"expressions": expressions(), "lot": 7}
        samples.append(Sample(f"{k}/with.png", texture(k, 32, 40), found.replace(boxes=boxes), split=split, meta=meta))
        samples.append(Sample(f"{k}/without.png", texture(k + 50, 32, 40), found[[5]], split=split))
    return Dataset(samples, NAMES, {"title": "t"})


def as_mmdetection(lines, label_map=None):
    """What ODVGDataset makes of an annotation file: boxes with a label each, the text, and the phrases."""
    out = []
    for line in lines:
        record = json.loads(line)
        items = []
        if label_map is not None:
            items = [([thing["bbox"]], int(str(thing["label"])), None) for thing in record["detection"]["instances"]]
            text = label_map
        else:
            text = record["grounding"]["caption"]
            for k, region in enumerate(record["grounding"]["regions"]):
                many = isinstance(region["bbox"][0], list)
                items.append((region["bbox"] if many else [region["bbox"]], k, region))
        kept, phrases = [], {}
        for boxes, label, region in items:
            for x1, y1, x2, y2 in boxes:
                inside_x = max(0, min(x2, record["width"]) - max(x1, 0))
                inside_y = max(0, min(y2, record["height"]) - max(y1, 0))
                if inside_x * inside_y == 0 or x2 - x1 < 1 or y2 - y1 < 1:
                    continue
                kept.append(([x1, y1, x2, y2], label))
                if region is not None:
                    phrases[label] = region["phrase"], region["tokens_positive"]
        out.append((record["filename"], text, kept, phrases))
    return out


def lines(path):
    return path.read_text("utf-8").split("\n")[:-1]


def test_detection_lines_are_what_the_loader_reads(tmp_path):
    data = data_of()
    assert data.write(tmp_path / "out", "odvg") == [
        "1 images have no referring expressions: they have no grounding line."
    ]
    label_map = json.loads((tmp_path / "out" / "label_map.json").read_text())
    assert label_map == {"0": NAMES[0], "1": NAMES[1], "2": NAMES[2]}
    read = as_mmdetection(lines(tmp_path / "out" / "detection.jsonl"), label_map)
    for (name, _, kept, _), sample in zip(read, data, strict=True):
        assert (tmp_path / "out" / "images" / name).read_bytes() == sample.image_bytes()
        np.testing.assert_array_equal(np.array([box for box, _ in kept], np.float32), sample.instances.boxes)
        assert [label for _, label in kept] == sample.instances.labels.tolist()


def test_grounding_lines_are_what_the_loader_reads(tmp_path):
    data = data_of()
    data.write(tmp_path / "out", "odvg")
    read = as_mmdetection(lines(tmp_path / "out" / "grounding.jsonl"))
    boxes = data[0].instances.boxes.tolist()
    found = []
    for name, caption, kept, phrases in read:
        assert name == "0/with.png" and len(caption) <= LONGEST
        lowered = caption.lower().strip()  # as the loader's transform has it, before the spans are used
        assert len(lowered) == len(caption)
        for label, (phrase, spans) in phrases.items():
            ((start, end),) = spans
            assert caption[start:end] == phrase and lowered[start:end] == phrase.lower()
            mine = [[float(np.float32(v)) for v in box] for box, other in kept if other == label]
            found.append((phrase, mine))
    assert len(read) == 2
    texts = ["the first block.", "i̇ the ring", *(text for text, targets in SAID[2:] if targets)]
    assert [phrase for phrase, _ in found] == texts
    expected = [[boxes[i] for i in targets] for _, targets in SAID if targets]
    assert [mine for _, mine in found] == expected
    assert sum("the green thing." in caption for _, caption, _, _ in read) == 1


@given(st.lists(st.tuples(st.text(min_size=1, max_size=300), st.sampled_from([[], [0], [0, 1]])), max_size=8))
def test_spans_hold_for_any_text(said):
    said = [(text, targets) for text, targets in said if text.strip()]
    boxes = np.array([[0, 0, 9, 9], [3, 3, 8, 8]], np.float32)
    captions = list(_captions(expressions(said), boxes))
    regions = [(caption["caption"], region) for caption in captions for region in caption["regions"]]
    assert len(regions) == sum(bool(targets) for _, targets in said)
    for caption, region in regions:
        ((start, end),) = region["tokens_positive"]
        assert caption[start:end] == region["phrase"]
        assert caption.lower()[start:end] == region["phrase"].lower()
    packed = [text.strip() for text, _ in said]
    if max(map(len, packed), default=0) <= 80:  # the letter that becomes two takes room
        assert all(len(caption["caption"]) <= LONGEST for caption in captions)


@pytest.mark.parametrize("name", ["odvg", "refcoco"])
def test_expressions_come_back(tmp_path, name):
    data = data_of(train=1, val=1, odd=1)
    data.write(tmp_path / "out", name)
    again = Dataset.open(tmp_path / "out")
    assert again.ids == data.ids and again.splits == data.splits and again.names == data.names
    for one, two in zip(data, again, strict=True):
        assert two.meta.get("expressions") == one.meta.get("expressions")
        assert two.instances.masks == one.instances.masks
        np.testing.assert_array_equal(two.instances.boxes, one.instances.boxes)
    assert again[0].meta["lot"] == 7


def test_amodal_masks_and_links_come_back_from_odvg(tmp_path):
    found = Instances([0, 1], masks=Masks.from_dense(shapes(32, 40)[:2]), parents=[-1, 0])
    whole = Masks.from_dense(shapes(32, 40)[[1, 0]])
    data = Dataset([Sample("a.png", texture(1, 32, 40), found.replace(amodal=whole))], NAMES)
    data.write(tmp_path / "out", "odvg")
    again = Dataset.open(tmp_path / "out")[0].instances
    assert again.amodal == whole and again.parents.tolist() == [-1, 0]


def test_each_split_has_its_files(tmp_path):
    data_of(train=1, val=1).write(tmp_path / "out", "odvg")
    names = sorted(path.name for path in (tmp_path / "out").glob("*.jsonl"))
    assert names == ["detection_train.jsonl", "detection_val.jsonl", "grounding_train.jsonl", "grounding_val.jsonl"]


def test_references_are_those_of_grefcoco(tmp_path):
    data = data_of(train=1, val=1)
    told = data.write(tmp_path / "out", "refcoco")
    assert told == ["2 images have no referring expressions: refs.json does not tell of them."]
    refs = json.loads((tmp_path / "out" / "refs.json").read_text())
    table = json.loads((tmp_path / "out" / "instances.json").read_text())
    assert "expressions" not in table["images"][0], "they stand in one place"
    annotations = {record["id"]: record for record in table["annotations"]}
    categories = {record["id"]: record["name"] for record in table["categories"]}
    assert [ref["ref_id"] for ref in refs] == list(range(len(refs)))
    numbers = [sentence["sent_id"] for ref in refs for sentence in ref["sentences"]]
    assert sorted(numbers) == list(range(2 * len(SAID)))
    for ref in refs:
        image = next(record for record in table["images"] if record["id"] == ref["image_id"])
        assert (ref["file_name"], ref["split"]) == (image["file_name"], image["split"])
        assert ref["sent_ids"] == [sentence["sent_id"] for sentence in ref["sentences"]]
        chosen = [annotations[id] for id in ref["ann_ids"]]
        assert all(record["image_id"] == ref["image_id"] for record in chosen)
        assert ref["ann_id"] == (ref["ann_ids"] or [-1]) and ref["no_target"] == (not chosen)
        assert ref["category_id"] == ([record["category_id"] for record in chosen] or [-1])
        names = {categories[record["category_id"]] for record in chosen}
        assert ref["category"] == (names.pop() if len(names) == 1 else "")
        for sentence in ref["sentences"]:
            assert sentence["tokens"] == sentence["sent"].split()
            assert sentence["raw"] in {text for text, _ in SAID}
    ring = next(ref for ref in refs if ref["category"] == NAMES[1] and len(ref["sentences"]) == 2)
    assert [sentence["sent"] for sentence in ring["sentences"]][1] == "the ring again"


def test_references_of_others_are_read(tmp_path):
    data_of().write(tmp_path / "out", "refcoco")
    refs = [
        {
            "ref_id": 0,
            "image_id": 1,
            "ann_id": 2,
            "sentences": [{"sent_id": 4, "sent": "ring"}, {"sent_id": 2, "sent": ""}],
        },
        {"ref_id": 1, "image_id": 1, "ann_id": [-1], "sentences": [{"sent_id": 3, "raw": "None", "sent": "none"}]},
        {"ref_id": 2, "image_id": 1, "ann_id": 999, "sentences": [{"sent_id": 5, "sent": "lost"}]},
        {"ref_id": 3, "image_id": 77, "ann_id": 2, "sentences": []},
        "broken",
    ]
    (tmp_path / "out" / "refs.json").write_text(json.dumps(refs))
    again = Dataset.open(tmp_path / "out")
    assert again[0].meta["expressions"] == [
        {"text": "None", "targets": [], "number": "none"}, {"text": "ring", "targets": [1], "number": "single"},
    ]  # fmt: skip
    assert "expressions" not in again[1].meta
    assert any("3 references of refs.json were passed over" in note for note in again.notes)


@pytest.mark.parametrize("name", ["odvg", "refcoco"])
@pytest.mark.parametrize(
    "record",
    [{"text": "x", "targets": [9]}, {"text": " ", "targets": []}, {"targets": []}, {"text": "x"}, 3,
     {"text": "x", "targets": [True]}],
)  # fmt: skip
def test_broken_expressions_are_told(tmp_path, name, record):
    sample = data_of()[0].replace(meta={"expressions": [record]})
    with pytest.raises(DataError, match=r"0/with\.png: expression 0"):
        Dataset([sample], NAMES).write(tmp_path / "out", name)
    assert not (tmp_path / "out").exists()


def odvg(folder, *records, names=("a", "b")):
    (folder / "images").mkdir(parents=True)
    for k in range(len(records)):
        Dataset([Sample(f"{k}.png", texture(k, 32, 40))], ["x"]).write(folder / f"t{k}", "odvg")
        (folder / f"t{k}" / "images" / f"{k}.png").rename(folder / "images" / f"{k}.png")
    (folder / "label_map.json").write_text(json.dumps({str(k): name for k, name in enumerate(names)}))
    (folder / "detection.jsonl").write_text(
        "\n".join(json.dumps(record) if record != "torn" else "{" for record in records)
    )
    return folder


def line(k=0, **thing):
    instances = [{"bbox": [1, 2, 11, 12.5], "label": 1, "category": "b"} | thing]
    return {"filename": f"{k}.png", "height": 32, "width": 40, "detection": {"instances": instances}}


def test_lines_of_others_are_read(tmp_path):
    data = Dataset.open(odvg(tmp_path / "x", line(), line(1, label=0)))
    assert data.ids == ["0.png", "1.png"] and data.names == ("a", "b")
    assert data[0].instances.boxes.tolist() == [[1, 2, 11, 12.5]] and data[1].instances.labels.tolist() == [0]
    assert data[0].image.shape == (32, 40, 3)


@pytest.mark.parametrize(
    "record, word",
    [
        (line(bbox=[5, 5, 1, 1]), "is no box"), (line(bbox="x"), "is no box"), (line(label=-1), "is no label"),
        (line(label="b"), "is no label"), ({"filename": "0.png"}, "not a detection record"), ("torn", "not a record"),
        ({"detection": {}}, "not a record"), (line(segmentation={"size": [1, 1], "counts": "0"}), "run-length code"),
        (line(parent=4), "parents"), (line(parent=[1]), "restore the line"),
    ],
)  # fmt: skip
def test_broken_lines_are_told(tmp_path, record, word):
    data = Dataset.open(odvg(tmp_path / "x", record, line(1)))
    with pytest.raises(DataError, match=word):
        len(data[0].instances)
    assert len(data[1].instances) == 1


def test_an_image_that_stands_twice_is_told(tmp_path):
    data = Dataset.open(odvg(tmp_path / "x", line(), line()))
    assert len(data[0].instances) == 1
    with pytest.raises(DataError, match="stands twice"):
        len(data[1].instances)


def test_folders_that_are_none(tmp_path):
    odvg(tmp_path / "x", line())
    (tmp_path / "x" / "label_map.json").write_text('{"1": "a"}')
    with pytest.raises(KizuError, match="number the classes from 0"):
        Dataset.open(tmp_path / "x")
    for name in ("odvg", "refcoco"):
        with pytest.raises(KizuError, match="name the folder that holds both"):
            Dataset.open(tmp_path, name)
    data_of().write(tmp_path / "r", "refcoco")
    (tmp_path / "r" / "refs.json").write_text("{}")
    with pytest.raises(KizuError, match="not a list of references"):
        Dataset.open(tmp_path / "r")
