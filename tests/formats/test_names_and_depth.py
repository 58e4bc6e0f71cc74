"""File names that some system takes for something else, JSON nested beyond reason, and fields named as Kizu's own."""

import json

import numpy as np
import pytest
from format_samples import texture

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.images import encode_image
from kizu.core.instances import Instances
from kizu.core.sample import Sample
from kizu.formats.check.run import problems
from kizu.formats.common.output import folder_name
from kizu.formats.common.trees import json_depth, tidy

WRITERS = ["coco", "yolo", "voc", "labelme", "masks"]


def picture(id, seed=1, **fields):
    return Sample(id, encode_image(texture(seed, 16, 20)), Instances.empty((16, 20)), **fields)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("C:evil.png", "evil.png"),
        ("C:\\\\a\\\\evil.png", "evil.png"),
        ("sub/C:evil.png", "evil.png"),
        ("a:b:evil.png", "evil.png"),
        ("C:..", ""),
        ("sub/./a.png", "sub/a.png"),
        ("lot:7.png", "lot:7.png"),
    ],
)
def test_drives_lead_nowhere(name, expected):
    assert tidy(name) == expected


@pytest.mark.parametrize(
    "id, file",
    [
        ("C:evil.png", "evil.png"),
        ("lot:7/a?.png", "lot_7/a_.png"),
        ("con/nul.png", "_con/_nul.png"),
        ("COM1.a.png", "_COM1.a.png"),
        ("end. /a.png", "end/a.png"),
        ("console.png", "console.png"),
    ],
)
@pytest.mark.parametrize("format", WRITERS)
def test_written_names_suit_every_file_system(tmp_path, id, file, format):
    losses = Dataset([picture(id)], ["dent"]).write(tmp_path / "out", format)
    written = [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")]
    below = {"yolo": "images/", "voc": "JPEGImages/", "labelme": ""}.get(format, "images/")
    assert below + file in written
    if format in ("coco", "masks"):  # they keep the id beside the name
        assert [sample.id for sample in Dataset.open(tmp_path / "out")] == [id]
        assert losses == []
    else:
        assert any("got another name" in text for text in losses) == (id != file)


@pytest.mark.parametrize("name, expected", [("con", "_con"), ("a:b", "a_b"), ("../up", "_up"), (" . ", "_"), ("", "_")])
def test_folders_of_classes_and_splits(name, expected):
    assert folder_name(name) == expected


@pytest.mark.parametrize("format", [*WRITERS, "mvtec"])
@pytest.mark.parametrize("ids", [("A.png", "a.png"), ("\u00fc.png", "U\u0308.png")])
def test_names_that_differ_by_capitals_do_not_overwrite_each_other(tmp_path, format, ids):
    data = Dataset([picture(id, seed) for seed, id in enumerate(ids)], ["dent"])
    with pytest.raises(KizuError, match="rename one"):
        data.write(tmp_path / "out", format)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text, depth",
    [
        ("3", 0),
        ("[]", 1),
        ('{"a": [1, {"b": []}], "c": [[]]}', 4),
        (r'["[[[[", "\\\"[[", "\\\\", [1]]', 2),
        ("[" * 200_000, 200_000),
        ("[" + '"[x]", ' * 1_000_000 + "[[1]]]", 3),  # longer than what is looked at in one go
    ],
)
def test_depth(text, depth):
    assert json_depth(text.encode()) == depth


DEEP = "[" * 200_000
CLOSED = "[" * 400 + "]" * 400


@pytest.mark.parametrize("deep", [DEEP, DEEP + "]" * 200_000, CLOSED], ids=["open", "closed", "400"])
@pytest.mark.parametrize("place", ["coco", "annotation", "image", "labelme", "shape", "info", "maskset"])
def test_deep_json_is_a_clear_error(tmp_path, place, deep):
    (tmp_path / "images").mkdir()
    for name in ("a.png", "images/a.png"):
        (tmp_path / name).write_bytes(encode_image(texture(1, 16, 20)))
    shape = '{"label": "x", "points": [[1, 1], [5, 1], [5, 5]], "flags": ' + (deep if place == "shape" else "{}") + "}"
    if place in ("coco", "annotation", "image"):
        record = '{"id": 1, "file_name": "a.png", "x": ' + (deep if place == "image" else "1") + "}"
        thing = '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 3], "x": '
        thing += (deep if place == "annotation" else "1") + "}"
        text = f'{{"images": [{record}], "annotations": [{thing}], "categories": [{{"id": 1, "name": "c"}}]}}'
        (tmp_path / "instances.json").write_text(deep if place == "coco" else text)
    elif place == "maskset":
        (tmp_path / "classes.txt").write_text("c\n")
        line = '{"image": "a.png", "mask": "a", "layers": null, "labels": [], "meta": {"x": ' + deep + "}}"
        (tmp_path / "samples.jsonl").write_text('{"format": "kizu-masks/1", "names": ["c"]}\n' + line + "\n")
    else:
        (tmp_path / "a.json").write_text(deep if place == "labelme" else f'{{"shapes": [{shape}]}}')
        if place == "info":
            (tmp_path / ".kizu.json").write_text('{"x": ' + deep + "}")
    name = {"labelme": "labelme", "shape": "labelme", "info": "labelme", "maskset": "masks"}.get(place, "coco")
    with pytest.raises(DataError, match=r"nested|not a record"):
        for sample in Dataset.open(tmp_path, name):
            _ = sample.instances
    assert any(problem.severity == "error" for problem in problems(tmp_path, name))


@pytest.mark.parametrize(
    "fields",
    [
        {"json:note": "hello"},
        {"json:note": "[1, 2]"},
        {"json:note": "NaN"},
        {"json:note": 7},
        {"json:note": [1, {"a": None}]},
        {"json:json:note": "{}", "note": "x", "json:bbox": "[0]"},
    ],
)
def test_fields_named_as_ours(tmp_path, fields):
    (tmp_path / "in" / "images").mkdir(parents=True)
    (tmp_path / "in" / "images" / "a.png").write_bytes(encode_image(texture(1, 16, 20)))
    thing = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 3]} | fields
    table = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [thing]}
    (tmp_path / "in" / "instances.json").write_text(json.dumps(table | {"categories": [{"id": 1, "name": "c"}]}))
    Dataset.open(tmp_path / "in").write(tmp_path / "out", "coco")
    again = json.loads((tmp_path / "out" / "instances.json").read_text())["annotations"][0]
    assert {name: again.get(name) for name in thing} == thing


def test_an_attribute_of_ours_that_is_no_json_is_written_as_text(tmp_path):
    found = Instances([0], np.array([[1, 1, 4, 4]]), attributes={"json:note": ["hello"], "json:bbox": ["[1]"]})
    Dataset([Sample("a.png", texture(1, 16, 20), found)], ["c"]).write(tmp_path / "out", "coco")
    record = json.loads((tmp_path / "out" / "instances.json").read_text())["annotations"][0]
    assert record["json:note"] == "hello"
    assert record["bbox"] == [1, 1, 3, 3]
