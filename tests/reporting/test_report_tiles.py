"""Tiles: outlines against their masks, score maps, close-ups, order and choice."""

import base64
import io
import re

import cv2
import numpy as np
import pytest
from PIL import Image
from report_scenes import NAMES, mask, sample

from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.reporting.choose import choose, choose_by_class, spread, worst_first
from kizu.reporting.outlines import box_path, mask_path
from kizu.reporting.tiles import Tile, focus, heat_picture, make_tile


def drawn(path, size, scale=8):
    """Fill SVG path data (M, L, Z; evenodd) at ``scale`` and count the pixels inside, in image pixels."""
    canvas = np.zeros((size[0] * scale, size[1] * scale), np.uint8)
    for part in path.split("Z")[:-1]:
        corners = np.array([[float(v) for v in p.split()] for p in part[1:].split("L")])
        one = np.zeros_like(canvas)
        cv2.fillPoly(one, [np.round(corners * scale * 16).astype(np.int32)], 1, shift=4)
        canvas ^= one
    return canvas.sum() / scale**2


def shapes():
    y, x = np.mgrid[:120, :160]
    disc = (x - 80) ** 2 + (y - 60) ** 2 < 40**2
    ring = disc & ~((x - 80) ** 2 + (y - 60) ** 2 < 20**2)
    two = mask((120, 160), (5, 5, 25, 45)) | mask((120, 160), (100, 60, 150, 110))
    return {"disc": disc, "ring with a hole": ring, "two parts": two, "box": mask((120, 160), (0, 0, 160, 120))}


@pytest.mark.parametrize("name", shapes())
def test_outlines_keep_the_area(name):
    shape = shapes()[name]
    area = drawn(mask_path(Masks.from_dense(shape[None]), 0), shape.shape)
    assert area == pytest.approx(shape.sum(), rel=0.04)


@pytest.mark.parametrize("box", [(10, 10, 11, 40), (10, 10, 13, 13)])
def test_thin_masks_do_not_vanish(box):
    shape = mask((60, 80), box)
    assert drawn(mask_path(Masks.from_dense(shape[None]), 0, 0.2), shape.shape) > 0.5 * shape.sum()


def test_empty_masks_and_boxes():
    assert mask_path(Masks.from_dense(np.zeros((1, 9, 9), bool)), 0) == ""
    assert box_path(np.array([1, 2, 3.25, 4], np.float32)) == "M1 2H3.2V4H1Z"


def decode(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_score_maps_are_small_and_keep_a_single_peak():
    scores = np.zeros((1, 900, 1600), np.float32)
    scores[0, 450, 800] = 1
    uri = heat_picture(scores)
    picture = decode(uri)
    assert max(picture.shape[:2]) <= 160
    row, column = np.unravel_index(picture[..., 3].argmax(), picture.shape[:2])
    assert picture[row, column, 3] > 100
    assert abs(row - picture.shape[0] / 2) <= 2
    assert abs(column - picture.shape[1] / 2) <= 2
    assert len(uri) < 12_000


def test_faint_score_maps_are_not_drawn_and_broken_ones_refused():
    assert heat_picture(np.full((2, 30, 30), 0.05, np.float32)) == ""
    with pytest.raises(ValueError, match="not numbers"):
        heat_picture(np.full((1, 4, 4), np.nan, np.float32))


def fill(image, truth=None, found=None, score_map=None, outcome="hit"):
    parts = [None if part is None else (part, [0, 1]) for part in (truth, found)]
    return make_tile(Tile("a", outcome), image, NAMES, *parts, score_map)


@pytest.mark.parametrize("size, longest", [((60, 80), 80), ((480, 300), 480), ((600, 1500), 440)])
def test_pictures_are_shrunk_never_enlarged(size, longest):
    tile = fill(np.full((*size, 3), 90, np.uint8))
    assert max(decode(tile.picture).shape[:2]) == longest
    assert (tile.height, tile.width) == size
    assert tile.close_up is None


def test_close_up_holds_the_missed_defect():
    size = (1000, 1600)
    boxes = [(100, 100, 140, 140), (1400, 800, 1420, 815)]
    truth = sample("a", boxes, [0, 1], size=size).instances
    found = sample("a", boxes[:1], [0], [0.9], size=size).instances
    close = fill(np.full((*size, 3), 90, np.uint8), truth, found).close_up
    assert close.x <= 1400 <= 1420 <= close.x + close.side
    assert close.y <= 800 <= 815 <= close.y + close.side
    assert close.side < 400
    assert close.corner in ("tl", "bl", "tr")  # not over the defect itself


@pytest.mark.parametrize(
    "truth, found, scores, expected",
    [
        ([(0, 0, 9, 9)], [], [], (0, 0, 9, 9)),
        ([(0, 0, 9, 9)], [(0, 0, 9, 9), (30, 30, 40, 40)], [0.6, 0.9], (30, 30, 40, 40)),
        ([], [(0, 0, 9, 9), (30, 30, 40, 40)], [0.6, 0.9], (30, 30, 40, 40)),
        ([(0, 0, 30, 30), (40, 40, 44, 44)], None, None, (40, 40, 44, 44)),
        ([], [], [], None),
    ],
)
def test_focus_is_the_worst_error(truth, found, scores, expected):
    real = sample("a", truth, [0] * len(truth)).instances
    mine = None if found is None else sample("a", found, [0] * len(found), scores).instances
    box = focus(real, mine, None, (60, 80))
    assert (None if box is None else tuple(box.tolist())) == expected


def test_a_swarm_is_drawn_in_part_and_says_so():
    boxes = np.array([[x, y, x + 2, y + 2] for x in range(0, 60, 3) for y in range(0, 60, 3)], np.float32)
    tile = fill(np.zeros((60, 80, 3), np.uint8), Instances(np.zeros(len(boxes)), boxes), outcome="labelled")
    assert len(tile.shapes) == 120
    assert tile.remarks == ["120 of 400 outlines (truth) drawn, the largest"]


def test_a_broken_score_map_is_said_and_the_picture_stays():
    tile = fill(np.zeros((20, 20, 3), np.uint8), score_map=np.full((1, 20, 20), np.nan, np.float32))
    assert tile.picture
    assert not tile.heat
    assert re.search("not numbers", tile.remarks[0])


def record(outcome, score, iou=None, id="a"):
    return {"id": id, "outcome": outcome, "score": score, "iou": iou}


def test_worst_first():
    wanted = [
        record("escape", 0.1), record("escape", 0.4), record("false alarm", 0.9), record("false alarm", 0.6),
        record("hit", 0.9, 0.0), record("hit", 0.5, 0.5), record("hit", 0.9, None), record("other", 0.9),
        record("clean", 0.4), record("clean", 0.1, id="a"), record("clean", 0.1, id="b"),
    ]  # fmt: skip
    shuffled = [wanted[i] for i in (7, 2, 9, 0, 10, 5, 3, 8, 1, 6, 4)]
    assert sorted(shuffled, key=worst_first) == wanted


@pytest.mark.parametrize(
    "count, wanted, expected", [(5, 9, [0, 1, 2, 3, 4]), (10, 0, []), (10, 1, [0]), (10, 2, [0, 9]), (9, 3, [0, 4, 8])]
)
def test_spread(count, wanted, expected):
    assert spread(count, wanted) == expected


def test_choose_takes_errors_the_worst_and_a_spread():
    records = [record("escape", 0.1)] * 3 + [record("hit", 0.5, 0.5)] * 97
    chosen = choose(records, 13)
    assert chosen[:8] == list(range(8))
    assert chosen[-1] == 99
    assert len(set(chosen)) == 13
    assert choose(records, 0) == []
    assert choose(records, 1000) == list(range(100))


def test_choose_by_class_gives_the_rare_their_place():
    assert choose_by_class([[0, 1], list(range(10, 100))], 5) == [0, 1, 10, 54, 99]
    assert choose_by_class([], 5) == []
