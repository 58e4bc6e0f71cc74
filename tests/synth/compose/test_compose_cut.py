"""Cutting: lineage, windows, what is passed over, and what kind a segment is."""

import json

import cv2
import numpy as np
import pytest
from compose_bank_sets import GREY, NAMES, RED, coverage, disc_sample
from PIL import Image

from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.synth.compose.cut import cut
from kizu.synth.compose.kinds import of_classes, of_instance
from kizu.synth.compose.plain import distance, foreground, is_plain

TWO = ((30.0, 40.0, 12.0), (90.5, 50.0, 18.0))


def test_where_a_segment_comes_from():
    sample = disc_sample(TWO, "a/b.png", group="part 7", split="val", labels=[0, 1])
    first, second = cut(sample, NAMES)
    assert [(s.id, s.label, s.kind) for s in (first, second)] == [
        ("a/b.png#0", "bolt", "object"), ("a/b.png#1", "scratch", "defect"),
    ]  # fmt: skip
    for segment, (x, y, radius) in zip((first, second), TWO, strict=True):
        assert (segment.picture, segment.group, segment.split, segment.frame) == ("a/b.png", "part 7", "val", (96, 128))
        margin = max(8, int(np.ceil(2 * radius / 4)))
        x0, y0 = round(x - radius) - margin, round(y - radius) - margin
        assert np.abs(np.subtract(segment.corner, (max(x0, 0), max(y0, 0)))).max() <= 1
        left, top = segment.corner
        here = segment.alpha == 0
        assert (segment.colour[here] == sample.image[top:, left:][: here.shape[0], : here.shape[1]][here]).all()
        bx = np.add(segment.box, (left, top, left, top))
        assert np.abs(bx - [x - radius, y - radius, x + radius, y + radius]).max() <= 1.5
        assert segment.record["attributes"] == {"tone": "dark"}
        assert segment.record["area"] == segment.mask.sum()
        json.dumps(segment.record, allow_nan=False)
    assert disc_sample(TWO, "c").group == "" and cut(disc_sample(TWO, "c"), NAMES)[0].group == "c"


@pytest.mark.parametrize(("erode", "lost"), [(None, 0.5), (0.0, 0.0), (1.0, 1.0)])
def test_the_edge_of_an_object_is_moved_inwards_and_that_of_a_defect_is_not(erode, lost):
    true = coverage((96, 128), 60.3, 50.6, 20.0).sum()
    (object_,), (defect,) = (cut(disc_sample(), NAMES, kind, erode=erode) for kind in ("object", "defect"))
    assert object_.alpha.sum() == pytest.approx(np.pi * (20 - lost) ** 2, rel=0.015)
    assert defect.alpha.sum() == pytest.approx(true, rel=0.01)
    assert "contrast" in defect.record and "contrast" not in object_.record
    (made,) = cut(disc_sample(source="kizu industrial"), NAMES, "object")
    assert made.alpha.sum() == pytest.approx(true, rel=0.01)


def test_colour_and_alpha_of_a_disc():
    """Put on black, the disc is its own colour in its own coverage: nothing of the old ground is left."""
    (segment,) = cut(disc_sample(), NAMES, "object", erode=0)
    assert segment.record["colour"] == pytest.approx([0.5776, 0.0212, 0.013], abs=0.02)
    soft = (segment.alpha > 0.1) & (segment.alpha < 0.9)
    assert soft.any()
    away = [np.linalg.norm(segment.colour[soft].astype(float) - colour, axis=1).mean() for colour in (RED, GREY)]
    assert away[0] < 0.2 * away[1]


def test_what_is_passed_over():
    sample = disc_sample(TWO * 3, labels=[0, 0, 5, 0, 0, 0])
    found = sample.instances
    masks = [found.masks.dense(i) for i in range(6)]
    masks[3][:] = False
    masks[4][:] = False
    found = found.replace(
        masks=Masks.from_dense(np.array(masks)),
        boxes=found.boxes,
        attributes={"iscrowd": [0, 1, 0, 0, 0, 0], "has_mask": [True, True, True, True, False, True]},
    )
    skips = Skips()
    assert [s.id for s in cut(sample.replace(instances=found), NAMES, skips=skips)] == ["a.png#0", "a.png#5"]
    assert [(item["item"], item["reason"]) for item in skips.items] == [
        ("a.png#1", "a.png#1: it is a crowd, not one instance; label its members to cut them"),
        ("a.png#2", "a.png#2: its label is 5, but there are 2 classes; correct it"),
        ("a.png#3", "a.png#3: its mask covers 0 pixels; draw it again or remove it"),
        ("a.png#4", "a.png#4: it has a box but no mask; outline it to cut it"),
    ]


def test_boxes_alone_and_nothing_at_all():
    skips = Skips()
    boxes = Instances([0], np.array([[10, 10, 50, 50]]))
    assert cut(disc_sample().replace(instances=boxes), NAMES, skips=skips) == []
    assert len(skips.items) == 1 and "no mask" in skips.items[0]["reason"]
    assert cut(disc_sample(()), NAMES) == []


def test_some_classes_only():
    sample = disc_sample(TWO, labels=[0, 1])
    assert [s.label for s in cut(sample, NAMES, classes=["scratch"])] == ["scratch"]


def test_labels_of_another_image():
    with pytest.raises(
        DataError, match=r"a\.png: the labels are of height, width \[96, 128\], but the image is \[9, 9\]"
    ):
        cut(disc_sample().replace(image=np.zeros((9, 9, 3), np.uint8)), NAMES)


@pytest.mark.parametrize("where", [(0.0, 50.0), (127.0, 50.0), (60.0, 0.0), (60.0, 95.0)])
def test_truncated(where):
    (segment,) = cut(disc_sample(((*where, 14.0),)), NAMES, "object")
    assert segment.record["truncated"]
    edges = {0.0: segment.alpha[:, 0], 127.0: segment.alpha[:, -1]}
    edge = edges.get(where[0], segment.alpha[0] if where[1] == 0 else segment.alpha[-1])
    assert (edge > 0.9).sum() > 20, "no soft edge at the border of the picture"


def test_hidden():
    sample = disc_sample(TWO)
    amodal = np.array([sample.instances.masks.dense(i) for i in range(2)])
    amodal[0, 40:60, 10:60] = True
    found = sample.instances.replace(amodal=Masks.from_dense(amodal))
    assert [s.record["hidden"] for s in cut(sample.replace(instances=found), NAMES)] == [True, False]


def test_blurred():
    sample = disc_sample(noise=1.0)
    soft = sample.replace(image=cv2.GaussianBlur(sample.image, (0, 0), 4.0))
    assert [cut(s, NAMES)[0].record["blurred"] for s in (sample, soft)] == [False, True]


@pytest.mark.parametrize("depth", [8, 16])
def test_grey_files_of_8_and_16_bits(tmp_path, depth):
    sample = disc_sample(colour=(220, 220, 220))
    grey = sample.image[..., 0]
    Image.fromarray(grey if depth == 8 else grey.astype(np.uint16) * 257).save(tmp_path / "a.png")
    (segment,) = cut(Sample("a", instances=sample.instances, path=tmp_path / "a.png"), NAMES, "object")
    assert (segment.colour[segment.alpha == 1] == 220).all()


def test_small_pictures_and_instances_of_all_of_it():
    for size in ((2, 2), (5, 3), (1, 30)):
        found = Instances([0], masks=Masks.from_dense(np.ones((1, *size), bool)))
        for kind in ("object", "defect"):
            (segment,) = cut(Sample("a", np.full((*size, 3), 7, np.uint8), found), NAMES, kind)
            assert (segment.alpha == 1).all() and segment.colour.shape == (*size, 3)


# --- object or defect ---

KINDS = [
    (["screw", "Water-Marks"], {}, {"screw": "auto", "Water-Marks": "defect"}),
    (["MT_Blowhole", "plate", "bolt"], {}, {"MT_Blowhole": "defect", "plate": "auto", "bolt": "auto"}),
    (["crack", "pits", "uneven"], {}, {"crack": "defect", "pits": "defect", "uneven": "defect"}),
    (["crack", "disc"], {"objects": ["disc"]}, {"crack": "defect", "disc": "object"}),
    (["crack", "disc"], {"kinds": {"crack": "object"}}, {"crack": "object", "disc": "auto"}),
    (["crack", "disc"], {"kind": "object", "kinds": {"disc": "defect"}}, {"crack": "object", "disc": "defect"}),
    ([], {}, {}),
]


@pytest.mark.parametrize(("names", "given", "expected"), KINDS)
def test_the_kind_of_a_class(names, given, expected):
    assert of_classes(names, **given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "thing"}, "kind 'thing': it is auto, object or defect"),
        ({"kinds": {"bolt": "x"}}, "kind 'x'"),
        ({"kinds": {"bold": "object"}}, r"a kind is given for \['bold'\], but the classes are bolt, scratch"),
    ],
)
def test_kinds_that_make_no_sense(given, message):
    with pytest.raises(KizuError, match=message):
        of_classes(NAMES, **given)


def scenes():
    """(image, instances, kind of the last instance)."""
    plain = disc_sample(((64, 48, 30),), noise=1.0)
    spot = disc_sample(((64, 48, 30), (64, 48, 6)), noise=1.0)
    alone = spot.instances[1:]
    image = plain.image.copy()
    image[44:52, 60:68] = 250
    child = disc_sample(TWO).instances.replace(parents=[-1, 0])
    surface = np.random.default_rng(0).integers(0, 255, (96, 128, 3)).astype(np.uint8)
    yield "on the plain ground", plain.image, plain.instances, "object"
    yield "inside another", spot.image, spot.instances, "defect"
    yield "on a product that is not labelled", image, alone, "defect"
    yield "with a parent", plain.image, child, "defect"
    near = disc_sample(((64, 48, 30), (3, 60, 6), (125, 93, 7)), noise=1.0)
    yield "at the border of the picture", near.image, near.instances[[1]], "object"
    yield "in a corner of the picture", near.image, near.instances, "object"
    yield "on a busy surface", surface, alone, "object"


@pytest.mark.parametrize("case", list(scenes()), ids=lambda case: case[0])
def test_the_kind_of_an_instance(case):
    _, image, found, expected = case
    unlike = distance(image) > 1 if is_plain(image) else None
    assert of_instance(found, len(found) - 1, unlike) == expected


# --- plain backgrounds ---


@pytest.mark.parametrize("ground", [(255, 255, 255), GREY])
def test_what_stands_on_a_plain_background(ground):
    sample = disc_sample(((64, 48, 25), (10, 10, 4)), ground=ground, noise=2.0)
    true = coverage((96, 128), 64, 48, 25) >= 0.5
    found = foreground(sample.image)
    assert (found & true).sum() / (found | true).sum() > 0.93
    assert is_plain(sample.image)
    assert (distance(sample.image)[true] > 1).mean() > 0.99


def test_nothing_stands_on_an_empty_background():
    sample = disc_sample((), noise=2.0)
    assert not foreground(sample.image).any()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    assert not is_plain(noise)
