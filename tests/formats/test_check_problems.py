"""Every problem that ``kizu check`` knows, made on purpose; and junk that must not stop it."""

import json
import os
from collections import Counter

import numpy as np
import pytest
from format_samples import DATA, texture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from kizu.core.images import encode_image, read_image
from kizu.core.masks import Masks
from kizu.formats.check import problems
from kizu.formats.check.similar import Pictures, signs, thumbnail, turn


def kinds(path, **options):
    return {(p.severity, p.kind) for p in problems(path, **options)}


def coco(root, images=None, annotations=None, categories=None, files=None):
    """A COCO set of 32 x 40 with 6 good instances a class; the arguments are added to it."""
    (root / "images").mkdir(parents=True)
    base = [{"id": k, "file_name": f"{k}.png", "width": 40, "height": 32, "split": "train"} for k in (1, 2)]
    boxes = [{"id": 100 + k, "image_id": 1 + k % 2, "category_id": 3, "bbox": [k, k, 5, 5 + k]} for k in range(6)]
    for k in (1, 2):
        (root / "images" / f"{k}.png").write_bytes(encode_image(texture(k, 32, 40)))
    for name, data in (files or {}).items():
        (root / "images" / name).write_bytes(data)
    names = [{"id": 3, "name": "scratch"}, *(categories or [])]
    table = {"images": base + (images or []), "annotations": boxes + (annotations or []), "categories": names}
    (root / "instances.json").write_text(json.dumps(table))
    return root


def image(k=9, **fields):
    return {"id": k, "file_name": f"{k}.png", "width": 40, "height": 32, "split": "train"} | fields


def thing(**fields):
    return {"id": 900, "image_id": 1, "category_id": 3, "bbox": [1, 1, 6, 6]} | fields


def png(k=9, height=32, width=40):
    return encode_image(texture(k, height, width))


def rle(mask):
    return Masks.from_dense(mask[None]).to_coco()[0]


def exif(pixels, turn):
    import io

    tags = Image.Exif()
    tags[0x0112] = turn
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", exif=tags)
    return out.getvalue()


def raw(array, suffix="PNG", **options):
    import io

    out = io.BytesIO()
    (array if isinstance(array, Image.Image) else Image.fromarray(array)).save(out, suffix, **options)
    return out.getvalue()


FAR = np.zeros((32, 40), bool)
FAR[20:30, 20:30] = True
TEXTURE = texture(9, 32, 40)
RARE = ("info", "rare class")  # what is left of the only class where one of two images is lost
CASES = {
    "good": ({}, set()),
    "missing image": ({"images": [image()]}, {("error", "missing image")}),
    "no image at all": ({"images": [image()], "files": {"9.png": b""}}, {("error", "unreadable image")}),
    "binary junk": ({"images": [image()], "files": {"9.png": bytes(range(256))}}, {("error", "unreadable image")}),
    "truncated": ({"images": [image()], "files": {"9.png": png()[:1500]}}, {("error", "unreadable image")}),
    "image not listed": ({"files": {"9.png": png()}}, {("warning", "image without label")}),
    "template listed by a field": (
        {"images": [image(template="t.png")], "files": {"9.png": png(), "t.png": png(8)}},
        set(),
    ),
    "another size": ({"images": [image(width=41)], "files": {"9.png": png()}}, {("error", "size mismatch")}),
    "turned by EXIF": (
        {"images": [image(file_name="9.jpg")], "files": {"9.jpg": exif(TEXTURE, 6)}},
        {("error", "size mismatch"), ("info", "image kind")},
    ),
    "box outside": ({"annotations": [thing(bbox=[50, 1, 5, 5])]}, {("error", "box outside")}),
    "box beyond the edge": ({"annotations": [thing(bbox=[36, 1, 6, 5])]}, {("warning", "box beyond the edge")}),
    "rounding at the edge": ({"annotations": [thing(bbox=[35.2, 1, 5, 5])]}, set()),
    "zero box": ({"annotations": [thing(bbox=[3, 3, 0, 5])]}, {("error", "empty box")}),
    "negative box": ({"annotations": [thing(bbox=[3, 3, -2, 5])]}, {("error", "broken box")}),
    "nan box": ({"annotations": [thing(bbox=[float("nan"), 3, 2, 5])]}, {("error", "broken box")}),
    "text box": ({"annotations": [thing(bbox="1,2,3,4")]}, {("error", "broken box")}),
    "RLE of another size": (
        {"annotations": [thing(segmentation={"size": [40, 32], "counts": [1280]})]},
        {("error", "broken mask")},
    ),
    "broken RLE": (
        {"annotations": [thing(segmentation={"size": [32, 40], "counts": "zzz"})]},
        {("error", "broken mask")},
    ),
    "two points": ({"annotations": [thing(segmentation=[[1, 2, 3, 4]])]}, {("error", "broken mask"), ("info", "note")}),
    "empty mask": ({"annotations": [thing(segmentation=rle(FAR & False))]}, {("warning", "empty mask")}),
    "mask far from box": ({"annotations": [thing(segmentation=rle(FAR))]}, {("warning", "mask far from box")}),
    "tiny": ({"annotations": [thing(bbox=[3, 3, 3, 1])]}, {("warning", "tiny instance")}),
    "twin": ({"annotations": [thing(), thing(id=901)]}, {("warning", "duplicate instance")}),
    "unknown class": ({"annotations": [thing(category_id=4)]}, {("error", "unknown class")}),
    "unknown image": ({"annotations": [thing(image_id=77)]}, {("error", "broken record")}),
    "annotation id twice": ({"annotations": [thing(id=100)]}, {("error", "duplicate id")}),
    "image id twice": (
        {"images": [image(2, file_name="9.png")], "files": {"9.png": png()}},
        {("error", "duplicate id"), RARE},
    ),
    "file name twice": ({"images": [image(9, file_name="2.png")]}, {("error", "duplicate file name"), RARE}),
    "unused class": ({"categories": [{"id": 4, "name": "pit"}]}, {("warning", "unused class")}),
    "class name twice": ({"categories": [{"id": 4, "name": "scratch"}]}, {("warning", "duplicate class")}),
    "rare class": (
        {"categories": [{"id": 4, "name": "pit"}], "annotations": [thing(category_id=4)]},
        {("info", "rare class")},
    ),
    "classes alike": (
        {"categories": [{"id": 4, "name": "Scratch "}], "annotations": [thing(category_id=4)]},
        {("warning", "duplicate class"), ("info", "rare class")},
    ),
    "group in two splits": (
        {
            "images": [image(8, group="g"), image(9, group="g", split="test")],
            "files": {"8.png": png(8), "9.png": png()},
        },
        {("error", "group in several splits")},
    ),
    "same image twice": (
        {"images": [image(8), image(9)], "files": {"8.png": png(), "9.png": png()}},
        {("warning", "same image twice")},
    ),
    "same image in two splits": (
        {"images": [image(8), image(9, split="test")], "files": {"8.png": png(), "9.png": png()}},
        {("error", "same image in two splits")},
    ),
    "12 bits in 16": (
        {"images": [image()], "files": {"9.png": raw(TEXTURE[:, :, 0].astype(np.uint16) * 16)}},
        {("warning", "wrong bit depth"), ("info", "image kind"), ("info", "mixed colours")},
    ),
    "full 16 bits": (
        {"images": [image()], "files": {"9.png": raw(TEXTURE[:, :, 0].astype(np.uint16) * 257)}},
        {("info", "image kind"), ("info", "mixed colours")},
    ),
    "palette": (
        {"images": [image()], "files": {"9.png": raw(Image.fromarray(TEXTURE).quantize(64))}},
        {("info", "image kind")},
    ),
    "alpha": (
        {"images": [image()], "files": {"9.png": raw(Image.fromarray(TEXTURE).convert("RGBA"))}},
        {("info", "image kind")},
    ),
    "floats": (
        {"images": [image(file_name="9.tif")], "files": {"9.tif": raw(TEXTURE[:, :, 0].astype(np.float32), "TIFF")}},
        {("info", "image kind"), ("info", "mixed colours")},
    ),
    "floats without a range": (
        {"images": [image(file_name="9.tif")], "files": {"9.tif": raw(TEXTURE[:, :, 0] * -7.5e3, "TIFF")}},
        {("error", "unreadable image")},
    ),
    "grey among colour": (
        {"images": [image()], "files": {"9.png": raw(TEXTURE[:, :, 0])}},
        {("info", "mixed colours")},
    ),
    "blank": ({"images": [image()], "files": {"9.png": raw(TEXTURE * 0)}}, {("warning", "blank image")}),
    "capital letters": (
        {
            "images": [image(8, file_name="a.png"), image(9, file_name="A.png")],
            "files": {"a.png": png(8), "A.png": png(9)},
        },
        {("warning", "duplicate file name")},
    ),
}


@pytest.mark.parametrize("fields, expected", CASES.values(), ids=CASES)
def test_each_problem_and_no_other(tmp_path, fields, expected):
    found = problems(coco(tmp_path / "d", **fields))
    assert {(p.severity, p.kind) for p in found} == expected
    for p in found:
        assert p.message and p.remedy
        assert p.file or p.id or p.field


def test_every_fault_of_an_image_is_listed_not_the_first_alone(tmp_path):
    broken = [
        thing(id=901, category_id=8),
        thing(id=902, bbox=None),
        thing(id=903, segmentation=[[1, 2]]),
        thing(id=904, bbox=[60, 60, 5, 5]),
    ]
    found = [p for p in problems(coco(tmp_path / "d", annotations=broken)) if p.severity == "error"]
    assert sorted(p.id for p in found) == [f"1 (1.png), annotation {k}" for k in range(901, 905)]


OTHERS = {
    "yolo": [
        (
            "labels/train/a b/first 01.txt",
            b"9 0.5 0.5 0.1 0.1\n0 x\n",
            {("error", "unknown class"), ("error", "broken record")},
        ),
        ("labels/train/stray.txt", b"", {("warning", "label without image")}),
        ("labels/val/boxes ü傷.txt", None, {("warning", "image without label")}),
        ("labels/train/clean.txt", b"\xff\xfe", {("error", "broken label file")}),
    ],
    "voc": [
        ("Annotations/clean.xml", b"<annotation>", {("error", "broken label file")}),
        ("Annotations/clean.xml", b"<!DOCTYPE a><annotation/>", {("error", "broken label file")}),
        ("Annotations/clean.xml", None, {("warning", "image without label")}),
        ("Annotations/stray.xml", b"<annotation/>", {("warning", "label without image"), ("error", "missing image")}),
        ("SegmentationObject/last.png", encode_image(np.full((32, 40), 7, np.uint8)), {("error", "broken mask")}),
    ],
    "labelme": [
        ("clean.json", b"{", {("error", "broken label file")}),
        ("clean.json", None, {("warning", "image without label")}),
        (
            "stray.json",
            b'{"shapes": [], "imagePath": "none.png"}',
            {("warning", "label without image"), ("error", "missing image")},
        ),
    ],
    "masks": [
        ("instances/last.png", encode_image(np.full((32, 40), 7, np.uint16)), {("error", "broken record")}),
        ("instances/last.png", encode_image(np.full((31, 40), 1, np.uint16)), {("error", "size mismatch")}),
        ("images/new.png", png(), {("warning", "image without label")}),
    ],
    "mvtec": [
        ("ground_truth/combined/stray_mask.png", png(), {("warning", "label without image")}),
        ("test/combined/new.png", png(), {("warning", "image without label")}),
    ],
    "shards": [
        ("shard-00000.parquet", b"PAR1 junk PAR1", {("error", "damaged shard"), ("error", "unreadable record")})
    ],
}


@pytest.mark.parametrize(
    "name, file, content, expected",
    [(name, *row) for name, rows in OTHERS.items() for row in rows],
    ids=[f"{name} {k}" for name, rows in OTHERS.items() for k in range(len(rows))],
)
def test_problems_of_other_formats(small, tmp_path, name, file, content, expected):
    small.write(tmp_path / "d", name)
    before = Counter((p.severity, p.kind) for p in problems(tmp_path / "d"))
    assert not {severity for severity, _ in before} & {"error"}
    path = tmp_path / "d" / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    after = Counter((p.severity, p.kind) for p in problems(tmp_path / "d"))
    assert {kind for kind in after - before if kind[1] not in ("rare class", "unused class", "note")} == expected


def test_a_shard_that_changed(small, tmp_path):
    small.write(tmp_path / "d", "shards")
    with open(tmp_path / "d" / "shard-00000.parquet", "ab") as file:
        file.write(b"x")
    assert ("error", "damaged shard") in kinds(tmp_path / "d")


# --- images that occur twice --------------------------------------------------------------------------------------


def smooth(seed, height=120, width=160):
    """A picture with coarse and fine structure."""
    rng = np.random.default_rng(seed)
    coarse = np.asarray(Image.fromarray(rng.integers(0, 255, (6, 8), np.uint8)).resize((width, height), Image.BICUBIC))
    fine = np.asarray(
        Image.fromarray(rng.integers(0, 255, (height // 3, width // 3), np.uint8)).resize((width, height))
    )
    return np.repeat(((coarse.astype(int) + fine) // 2).astype(np.uint8)[:, :, None], 3, 2)


@pytest.mark.parametrize("k", range(8))
def test_signs_of_a_turned_picture(k):
    picture = thumbnail(smooth(1, 64, 64))
    again = turn(turn(picture, k), (4 - k) % 4 if k < 4 else k)
    np.testing.assert_array_equal(again, picture)
    assert (signs(turn(picture, k)) == signs(picture)).mean() < 0.9 or k == 0


CHANGES = {
    "JPEG": lambda p: read_image(raw(p, "JPEG", quality=60)),
    "smaller": lambda p: np.asarray(Image.fromarray(p).resize((120, 90), Image.BILINEAR)),
    "brighter": lambda p: np.clip(p * 1.15 + 10, 0, 255).astype(np.uint8),
    "turned": lambda p: np.ascontiguousarray(np.rot90(p)),
    "upside down": lambda p: np.ascontiguousarray(np.rot90(p, 2)),
    "mirrored": lambda p: np.ascontiguousarray(p[:, ::-1]),
    "mirrored and turned": lambda p: np.ascontiguousarray(np.rot90(p[:, ::-1])),
    "a small mark": lambda p: np.where((np.indices((120, 160)).max(0) < 8)[:, :, None], 0, p).astype(np.uint8),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_near_copies_across_splits(change):
    pictures = [smooth(k) for k in range(6)]
    store = [*pictures, change(pictures[2])]
    found = Pictures(store.__getitem__)
    for k, pixels in enumerate(store):
        found.add(k, pixels, f"p{k}", "test" if k == 6 else "train", "")
    (problem,) = found.problems()
    assert problem.id == "p6" and "p2 (train)" in problem.message and problem.kind == "near-duplicate across splits"


def test_aligned_shots_of_different_parts_are_not_copies():
    """The same outline and light, another texture: two parts under one camera."""
    shape = smooth(0, 400, 500).astype(int)
    store = [np.clip(shape // 2 + smooth(k, 400, 500)[::-1] // 2 - 20, 0, 255).astype(np.uint8) for k in range(1, 7)]
    found = Pictures(store.__getitem__)
    for k, pixels in enumerate(store):
        found.add(k, pixels, f"p{k}", "test" if k % 2 else "train", "")
    assert found.problems() == []


# --- junk ---------------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([10**400, -1, 1e308, "\ud800", "../x"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "size", "counts", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def listed(path):
    found = problems(path)
    assert all(p.severity in ("error", "warning", "info") and p.message for p in found)
    return found


@QUICK
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "id",
                "image_id",
                "category_id",
                "bbox",
                "segmentation",
                "score",
                "iscrowd",
                "area",
                "x",
                "amodal",
                "parent_id",
            ]
        ),
        VALUES,
    )
)
def test_any_annotation(tmp_path_factory, fields):
    listed(coco(tmp_path_factory.mktemp("d") / "d", annotations=[thing(**fields)]))


@QUICK
@given(
    st.dictionaries(
        st.sampled_from(["id", "file_name", "width", "height", "split", "group", "source", "kizu_id", "x"]), VALUES
    ),
    VALUES,
)
def test_any_image_and_category(tmp_path_factory, fields, category):
    listed(
        coco(
            tmp_path_factory.mktemp("d") / "d",
            images=[image(**fields)],
            categories=[category, {"id": 5, "name": category}],
        )
    )


@QUICK
@given(
    st.dictionaries(
        st.sampled_from(["images", "annotations", "categories", "info", "licenses"]), VALUES | st.lists(VALUES)
    )
)
def test_any_table(tmp_path_factory, table):
    folder = tmp_path_factory.mktemp("d")
    (folder / "instances.json").write_text(json.dumps(table))
    listed(folder)


@QUICK
@given(
    st.dictionaries(
        st.sampled_from(["label", "points", "group_id", "shape_type", "flags", "description", "mask", "kizu"]), VALUES
    ),
    st.dictionaries(st.sampled_from(["shapes", "imagePath", "imageData", "imageHeight", "imageWidth", "kizu"]), VALUES),
)
def test_any_shape(tmp_path_factory, shape, record):
    folder = tmp_path_factory.mktemp("d")
    good = {"label": "a", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}
    (folder / "x.json").write_text(json.dumps({"shapes": [good, good | shape], "imagePath": "x.png"}))
    (folder / "y.json").write_text(json.dumps({"shapes": [good], "imagePath": "y.png"} | record))
    (folder / "x.png").write_bytes(png())
    listed(folder)


@QUICK
@given(st.binary(max_size=300), st.sampled_from(["coco", "yolo", "voc", "labelme", "masks", "yaml", "png"]))
def test_any_bytes(tmp_path_factory, data, where):
    folder = tmp_path_factory.mktemp("d")
    names = {
        "coco": "instances.json",
        "yolo": "labels/x.txt",
        "voc": "Annotations/x.xml",
        "labelme": "x.json",
        "masks": "masks/x.png",
        "yaml": "data.yaml",
        "png": "images/y.png",
    }
    for name, content in {"images/x.png": png(), "classes.txt": b"a\nb", names[where]: data}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    for format in (None, where if where not in ("yaml", "png") else "yolo"):
        assert all(p.message for p in problems(folder, format))


@QUICK
@given(st.text(alphabet=" -:[]{},\"'#\n\tabn0names", max_size=60))
def test_any_yaml(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("d")
    (folder / "images").mkdir()
    (folder / "images" / "x.png").write_bytes(png())
    (folder / "data.yaml").write_text(f"train: images\nnames:{text}")
    assert all(p.message for p in problems(folder, "yolo"))


def test_empty_folder_and_empty_file(tmp_path):
    assert [p.kind for p in problems(tmp_path)] == ["cannot be opened"]
    (tmp_path / "x.json").write_bytes(b"")
    assert [p.kind for p in problems(tmp_path / "x.json")] == ["cannot be opened"]
    assert [p.kind for p in problems(tmp_path / "none")] == ["cannot be opened"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="rights do not bind this user")
def test_a_file_without_rights(small, tmp_path):
    small.write(tmp_path / "d", "coco")
    (tmp_path / "d/instances.json").chmod(0)
    assert [p.kind for p in problems(tmp_path / "d")] == ["cannot be opened"]


@pytest.mark.parametrize("name, most", [("bsdata", 0), ("missing_screw", 0), ("deeppcb", 0)])
def test_real_sets_have_no_serious_problem(name, most):
    if not (DATA / name).is_dir():
        pytest.skip(f"the real data set {name} is not beside the checkout")
    assert sum(p.severity != "info" for p in problems(DATA / name)) <= most
