"""Priors learned from labels that were drawn from a known distribution; layouts drawn from them."""

import json
import math

import numpy as np
import pytest
from compose_shapes import disc, mixed, pieces_of, shapes_of

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.synth.compose.layouts import find, options_of
from kizu.synth.compose.prior import Prior
from kizu.synth.compose.visibility import Piece
from kizu.synth.elongation import orientations

SIZE = (120, 160)
NAMES = ("a", "b", "c")
BAR = np.ones((3, 15), bool)


def sample(name, boxes, labels=None, size=SIZE, **options):
    """A picture of filled blocks XYXY."""
    crops = [(np.ones((y1 - y0, x1 - x0), bool), (x0, y0)) for x0, y0, x1, y1 in boxes]
    labels = [0] * len(boxes) if labels is None else labels
    return Sample(name, None, Instances(labels, masks=Masks.from_crops(crops, size)), size=size, **options)


def known(count=300, seed=0):
    """Class a: 1 or 2 discs of 9 to 13 px about (0.3, 0.6). Class b, on a quarter: a bar at 30 degrees, lower right."""
    random = np.random.default_rng(seed)
    out = []
    for k in range(count):
        crops, labels = [], []
        for _ in range(random.integers(1, 3)):
            side = int(random.integers(9, 14))
            x, y = random.normal([48, 72], [8, 4]).round().astype(int) - side // 2
            crops.append((disc(side, side), (int(x), int(y))))
            labels.append(0)
        if k % 4 == 0:
            y, x = np.mgrid[:30, :40] - np.array([15, 20])[:, None, None]
            along, across = x * math.cos(0.52) + y * math.sin(0.52), y * math.cos(0.52) - x * math.sin(0.52)
            bar = (abs(along) < 14) & (abs(across) < 2)
            crops.append((bar, (int(random.integers(90, 118)), int(random.integers(70, 88)))))
            labels.append(1)
        out.append(Sample(f"{k}.png", None, Instances(labels, masks=Masks.from_crops(crops, SIZE)), size=SIZE))
    return Dataset(out, NAMES)


@pytest.fixture(scope="module")
def prior():
    return Prior.learn(known())


def test_places_sizes_directions_and_numbers_come_back(prior):
    random = np.random.default_rng(1)
    places = np.array([prior.habits["a"].place(random) for _ in range(2000)])
    np.testing.assert_allclose(places.mean(0), [0.3, 0.6], atol=0.02)
    np.testing.assert_allclose(places.std(0), [8 / 160, 4 / 120], atol=0.03)  # cells of 1/16, and their smoothing
    sides = np.array([prior.habits["a"].side(random) for _ in range(2000)]) * math.sqrt(160 * 120)
    assert sides.mean() == pytest.approx(11 * math.sqrt(math.pi / 4), rel=0.06)
    assert sides.min() > 9 * 0.88 * 0.84 and sides.max() < 13 * 0.9 * 1.19  # a quarter of an octave each way
    turns = np.array([prior.habits["b"].direction(random) for _ in range(200)])
    assert abs(turns - 0.52).max() < math.pi / 18 + 0.05
    assert prior.habits["a"].direction(random) is None  # discs have none
    drawn = [prior.classes(random, ["a", "b"]) for _ in range(2000)]
    assert np.mean(["b" in names for names in drawn]) == pytest.approx(0.25, abs=0.03)
    assert np.mean([names.count("a") for names in drawn]) == pytest.approx(1.5, abs=0.05)
    assert max(names.count("a") for names in drawn) == 2 and all("a" in names for names in drawn)
    assert prior.classes(random, ["c"]) == []


def test_overlaps_come_back_by_pairs():
    apart, close = (0, 0, 10, 10), (4, 0, 14, 10)  # 60 of 100 pixels
    pictures = [[apart, close] if k % 4 == 0 else [apart, (50, 50, 60, 60)] for k in range(40)]
    prior = Prior.learn(Dataset([sample(str(k), boxes, [0, 1]) for k, boxes in enumerate(pictures)], NAMES))
    random = np.random.default_rng(0)
    drawn = np.array([prior.overlap("b", "a", random) for _ in range(2000)])
    assert (drawn > 0).mean() == pytest.approx(0.25, abs=0.03)
    assert drawn[drawn > 0].min() >= 0.6 and drawn.max() <= 0.7
    assert prior.overlap("a", "a", random) == 0  # no such pair


@pytest.mark.parametrize("how", ["box", "mask"])
def test_places_are_told_relative_to_the_part(how):
    """The part lies elsewhere in each picture, the defect always in its middle; one outside of it does not count."""
    random = np.random.default_rng(3)
    corners = random.integers(0, [100, 60], (50, 2)).tolist()
    data = Dataset([sample(str(k), [(x + 25, y + 25, x + 35, y + 35), (0, 110, 9, 119)], meta={"at": [x, y]})
                    for k, (x, y) in enumerate(corners)], NAMES)  # fmt: skip

    def part_of(one):
        x, y = one.meta["at"]
        part = np.zeros(SIZE, bool)
        part[y : y + 50, x : x + 60] = True
        return (x, y, x + 60, y + 50) if how == "box" else part

    prior = Prior.learn(data, part_of)
    habit = prior.habits["a"]
    inside = [y >= 60 - 4 and x <= 4 for x, y in corners]
    assert habit.heat.sum() == 50 + sum(inside)
    assert habit.heat[9, 8] == 50  # (30, 30) of (60, 50): the cell right of the middle, 0.6 down
    assert habit.size.argmax() == int((math.log2(10 / math.sqrt(3000)) + 10) * 4)


def test_good_pictures_unlabelled_ones_and_broken_ones():
    def broken():
        raise DataError("cannot be read")

    data = Dataset(
        [
            sample("a", [(0, 0, 9, 9)]),
            sample("b", []),
            Sample("c", None, broken, size=SIZE),
            sample("d", [], labelled=False),
            Sample("e", None, Instances([1], np.array([[10, 10, 30, 30]])), size=SIZE),
        ],
        NAMES,
    )
    skips = Skips()
    prior = Prior.learn(data, skips=skips)
    assert (prior.images, prior.empty, sorted(prior.habits)) == (3, 1, ["a", "b"])
    assert [item["reason"] for item in skips.items] == ["cannot be read"]
    assert prior.habits["b"].size.argmax() == int((math.log2(20 / math.sqrt(120 * 160)) + 10) * 4)
    with pytest.raises(DataError, match="cannot"):
        Prior.learn(data, skips=Skips(strict=True))
    with pytest.raises(DataError, match="the part is"):
        Prior.learn(data, lambda one: np.ones((3, 3), bool), Skips(strict=True))
    with pytest.raises(DataError, match="no region"):
        Prior.learn(data, lambda one: (5, 5, 5, 9), Skips(strict=True))


def test_the_size_does_not_grow_with_the_data(prior):
    long = Prior.learn(known(600, 1))
    assert len(json.dumps(long.to_json())) < 1.2 * len(json.dumps(prior.to_json()))


def test_json_and_back(prior):
    text = json.dumps(prior.to_json())
    again = Prior.from_json(json.loads(text))
    assert json.dumps(again.to_json()) == text
    one, two = np.random.default_rng(4), np.random.default_rng(4)
    assert [prior.classes(one, ["a", "b"]) for _ in range(9)] == [again.classes(two, ["a", "b"]) for _ in range(9)]
    assert prior.habits["a"].place(one) == again.habits["a"].place(two)


@pytest.mark.parametrize(
    "change", [{"kizu_prior": 0}, {"habits": {"a": {}}}, {"pairs": [[1]]}, {"pairs": []}, {"habits": []}]
)
def test_a_record_that_is_no_prior(prior, change):
    with pytest.raises(DataError, match="learn it again"):
        Prior.from_json(prior.to_json() | change)


# --- layouts that use it ---


def lay(name, shapes, prior, seed, part=None, **options):
    part = np.ones(SIZE, bool) if part is None else part
    return find(name).lay(shapes, part.shape, part, prior, options_of(name, options), np.random.default_rng(seed))


def bank(**options):
    return shapes_of([disc(11, 11), disc(16, 16), np.ones((5, 27), bool), np.ones((30, 4), bool)], [0, 0, 1, 1],
                     defect=True, **options)  # fmt: skip


@pytest.mark.parametrize("name", ["measured", "inplace"])
def test_layouts_follow_the_prior(prior, name):
    shapes = bank()
    middles, turns, free, counts = [], [], [], []
    for seed in range(150):
        laid = lay(name, shapes, prior, seed, turn=180.0)
        counts.append(sum(shapes.label[p.row] == 0 for p in laid))
        for placement, piece in zip(laid, pieces_of(shapes, laid, SIZE), strict=True):
            free.append(placement.shared)
            if not placement.shared and shapes.label[placement.row] == 0:
                middles.append([piece.x + piece.mask.shape[1] / 2, piece.y + piece.mask.shape[0] / 2])
            elif not placement.shared:
                turns.append(orientations(Masks.from_crops([(piece.mask, (piece.x, piece.y))], SIZE))[0])
    np.testing.assert_allclose(np.mean(middles, 0), [48, 72], atol=3)
    assert np.std(middles, 0).max() < 14
    assert np.mean(free) == pytest.approx(0.3, abs=0.08)
    assert abs(np.array(turns) - 0.52).max() < math.pi / 18 + 0.3
    assert np.mean(counts) == pytest.approx(1.5, abs=0.2)


def test_the_free_share_lies_anywhere(prior):
    shapes = bank()
    places = [p for seed in range(150) for p in lay("measured", shapes, prior, seed, shared=1.0)]
    assert all(p.shared for p in places)
    middles = np.array([[piece.x, piece.y] for piece in pieces_of(shapes, places, SIZE)])
    assert np.histogram2d(*middles.T, bins=3, range=[[0, 148], [0, 108]])[0].min() > 10


def test_things_that_never_overlap_do_not(prior):
    apart = [(10 * k, 40, 10 * k + 9, 49) for k in range(15)]
    crowd = Prior.learn(Dataset([sample("x", apart)], NAMES))
    shapes = bank()
    for seed in range(10):
        laid = lay("measured", shapes, crowd, seed, shared=0.0)
        pieces = pieces_of(shapes, laid, SIZE)
        owner = np.zeros(SIZE, int)
        for piece in pieces:
            owner[piece.y : piece.y + piece.mask.shape[0], piece.x : piece.x + piece.mask.shape[1]] += piece.mask
        assert len(pieces) > 5 and owner.max() == 1


@pytest.mark.parametrize("with_prior", [True, False])
@pytest.mark.parametrize("shape", ["ring", "corner"])
def test_defects_stay_on_the_part(prior, with_prior, shape):
    y, x = np.mgrid[:120, :160]
    distance = np.hypot(x - 80, y - 60)
    part = (distance < 55) & (distance > 25) if shape == "ring" else (x > 100) & (y > 70)
    shapes, count = mixed(defect=True), 0
    for seed in range(30):
        laid = lay("inplace", shapes, prior if with_prior else None, seed, part)
        for piece in pieces_of(shapes, laid, SIZE):
            assert not (piece.mask & ~part[piece.y :, piece.x :][: piece.mask.shape[0], : piece.mask.shape[1]]).any()
            assert np.count_nonzero(piece.mask) == piece.pixels >= 9
            count += 1
    assert count > 20


def test_without_a_prior_defects_lie_where_they_were_cut():
    shapes = bank(frame=(60, 80))
    shapes.corner[:] = [50, 10]  # right of the middle, above it
    laid = [p for seed in range(60) for p in lay("inplace", shapes, None, seed, shared=0.0, least=1, most=1)]
    middles = [[p.x + p.mask.shape[1] / 2, p.y + p.mask.shape[0] / 2] for p in pieces_of(shapes, laid, SIZE)]
    expected = [(50 + np.mean(shapes.width) / 2) * 2, (10 + np.mean(shapes.height) / 2) * 2]
    assert len(laid) > 50
    np.testing.assert_allclose(np.mean(middles, 0), expected, atol=8)


@pytest.mark.parametrize("corner, side", [((0, 40), 0), ((40, 0), 1), ((85, 40), 2), ((40, 95), 3)])
def test_what_a_border_cut_lies_on_that_border(prior, corner, side):
    """On the left, above, on the right, below; a bar would be turned elsewhere."""
    shapes = shapes_of([np.ones((5, 15), bool)], [1], defect=True)
    shapes.corner[:] = corner
    assert shapes.cut.tolist() == [[k == side for k in range(4)]]
    laid = [p for seed in range(20) for p in lay("inplace", shapes, prior, seed, shared=0.0)]
    assert len(laid) > 3
    for piece in pieces_of(shapes, laid, SIZE):
        height, width = piece.mask.shape
        assert [piece.x, piece.y, piece.x + width, piece.y + height][side] == [0, 0, 160, 120][side]
        assert width > height and np.count_nonzero(piece.mask) == piece.pixels


@pytest.mark.parametrize(
    "part", [np.ones(SIZE, bool), np.hstack([np.ones((120, 150), bool), np.zeros((120, 10), bool)])]
)
def test_what_no_place_explains_is_left_in_the_bank(prior, part):
    shapes = shapes_of([np.ones((5, 28), bool), np.ones((5, 26), bool)], [1, 1], defect=True, frame=(40, 28))
    shapes.corner[0] = [0, 20]  # from side to side of its picture
    assert {p.row for seed in range(40) for p in lay("inplace", shapes, prior, seed, part)} == {1}


@pytest.mark.parametrize("shared, rows", [(0.0, {0, 1}), (1.0, {1})])
def test_what_may_lie_anywhere_was_cut_by_no_border(prior, shared, rows):
    shapes = shapes_of([np.ones((5, 20), bool), np.ones((5, 20), bool)], [1, 1], defect=True)
    shapes.corner[0] = [0, 40]
    laid = [p for seed in range(60) for p in lay("inplace", shapes, prior, seed, shared=shared)]
    assert {placement.row for placement in laid} == rows


def test_what_is_too_large_for_its_part_comes_smaller():
    shapes = shapes_of([np.ones((50, 70), bool)], defect=True, frame=SIZE)
    part = np.zeros(SIZE, bool)
    part[20:100, 60:100] = True  # 80 x 40: the segment keeps its share of the part's box, and is too wide
    laid = [lay("inplace", shapes, None, seed, part, least=1, most=1, zoom=[0.1, 2]) for seed in range(8)]
    assert sum(map(len, laid)) == 8
    for piece in pieces_of(shapes, [p for one in laid for p in one], SIZE):
        assert isinstance(piece, Piece) and piece.mask.shape[1] <= 40


@pytest.mark.parametrize("name", ["measured", "inplace"])
def test_the_same_seed_gives_the_same_layout(prior, name):
    assert [lay(name, bank(), prior, seed) for seed in range(9)] == [lay(name, bank(), prior, s) for s in range(9)]


@pytest.mark.parametrize(
    "name, options, error, word",
    [
        ("measured", {"prior": None}, KizuError, "labels to learn from"),
        ("measured", {"shapes": shapes_of([BAR], [2])}, KizuError, "among those learned"),
        ("inplace", {"shapes": shapes_of([])}, DataError, "no segment"),
        ("inplace", {"least": 3, "most": 2}, KizuError, "exchange"),
        ("inplace", {"part": np.zeros(SIZE, bool)}, DataError, "no pixel"),
        ("inplace", {"part": np.ones((3, 3), bool)}, None, ""),
        ("measured", {"jiter": 1}, KizuError, "jitter"),
    ],
)
def test_what_cannot_be_is_told(prior, name, options, error, word):
    given = {"shapes": bank(), "prior": prior, "seed": 0} | options
    if error is None:
        assert lay(name, **given) == []
        return
    with pytest.raises(error, match=word):
        lay(name, **given)


def test_a_part_of_another_size_is_told(prior):
    with pytest.raises(DataError, match="the part is"):
        find("inplace").lay(bank(), SIZE, np.ones((9, 9), bool), prior, options_of("inplace"), np.random.default_rng())


@pytest.mark.parametrize(
    "corner, mask, expected",
    [
        ((0, 20), (9, 14), {"x": 0}),
        ((86, 20), (9, 14), {"right": 120}),
        ((30, 91), (9, 14), {"low": 90}),
        ((0, 0), (9, 14), {"x": 0, "y": 0}),
        ((0, 20), (9, 100), {"x": 0, "right": 120}),
    ],
    ids=["left", "right", "low", "corner", "across"],
)
def test_what_a_border_cut_off_lies_at_a_border(corner, mask, expected):
    shapes = shapes_of([np.ones(mask, bool)], defect=True, frame=(100, 100))
    shapes.corner[:] = corner
    found = 0
    for seed in range(20):
        laid = lay("inplace", shapes, None, seed, np.ones((90, 120), bool), shared=0.0)
        for piece in pieces_of(shapes, laid, (90, 120)):
            x1, y1 = piece.x + piece.mask.shape[1], piece.y + piece.mask.shape[0]
            box = {"x": piece.x, "y": piece.y, "right": x1, "low": y1}
            assert all(abs(box[side] - at) <= 1 for side, at in expected.items())
            found += 1
    assert found > 10


def test_segments_turn_no_further_than_they_may():
    shapes = shapes_of([np.ones((5, 27), bool)], defect=True)
    for seed in range(20):
        for placement in lay("inplace", shapes, None, seed, turn=8.0, jitter=[0.01, 0.05, 60.0]):
            a, _, _, d, _, _ = placement.affine
            assert abs(math.degrees(math.atan2(d, a))) <= 8.01
