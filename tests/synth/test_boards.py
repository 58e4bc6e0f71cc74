"""Printed boards: faults are exactly what changed in the copper, and do to it what their names say."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from kizu.core.errors import KizuError
from kizu.core.seeds import Stream, generator
from kizu.lexicon import Lexicon
from kizu.synth.formula import presets
from kizu.synth.formula.boards import glyphs
from kizu.synth.formula.boards.board import Board
from kizu.synth.formula.boards.finish import dress, scan
from kizu.synth.formula.boards.layout import Layout, bent, mitred
from kizu.synth.formula.defects.board import FAULTS, Copper, contrast, make
from kizu.synth.formula.painters import boards
from kizu.synth.formula.raster import fill, stroke
from kizu.synth.formula.source import Formula

SIZE = (256, 320)
PRESET = presets.load("boards")
VALUES = PRESET.values
RANGES = {name: Lexicon.load()[name].recipe.ranges for name in FAULTS}

each_fault = pytest.mark.parametrize("name", FAULTS)


def laid_out(index, size=SIZE):
    return Layout(VALUES["layout"], size, generator(5, Stream.SCENE, index)).fill()


def made(name, many=12):
    """Some faults of a kind, each with the copper that it was made in."""
    out = []
    for index in range(40):
        board = laid_out(index)
        copper = Copper.of(board.copper, board.drills, 0.5)
        random = generator(5, Stream.DEFECT, index)
        for _ in range(20):
            fault = make(name, copper, random, RANGES[name])
            if fault is not None:
                out.append((copper, fault))
                break
        if len(out) == many:
            break
    assert len(out) == many
    return out


def etched(copper, fault):
    """Copper before and after a fault, bool (H, W), and the fault's mask."""
    after = copper.now.copy()
    after[fault.cover.slices] = fault.after
    mask = np.zeros(after.shape, bool)
    mask[fault.cover.slices] = fault.cover.mask
    return copper.now, after, mask


def pieces(copper, connectivity=4):
    return cv2.connectedComponents((copper >= 0.5).astype(np.uint8), connectivity=connectivity)


# --- layout ---


@pytest.mark.parametrize("index", range(8))
def test_nets_keep_their_clearance(index):
    layout = Layout(VALUES["layout"] | {"pour": 0.0}, SIZE, generator(6, Stream.SCENE, index))
    board = layout.fill()
    count, nets = pieces(np.maximum(board.copper, board.drills))
    assert count > 3
    for k in range(1, min(count, 25)):
        own = nets == k
        if own.sum() < 20:
            continue
        far = cv2.distanceTransform((~own).astype(np.uint8), cv2.DIST_L2, 5)
        others = (nets > 0) & ~own
        if others.any():
            # Pixel centres; buses may be closer by a twentieth, and the distance transform is right to a few per cent.
            assert far[others].min() >= 0.85 * board.clearance


@pytest.mark.parametrize("turned", [0.0, 1.0])
def test_copper_is_that_of_its_pieces(turned):
    board = Layout(VALUES["layout"] | {"turned": turned}, SIZE, generator(8, Stream.SCENE, 1)).fill()
    expected = np.zeros(SIZE, np.float32)
    for piece in board.pieces:
        cover = piece.covered(SIZE)
        expected[cover.slices] = np.maximum(expected[cover.slices], cover.alpha)
    expected = np.minimum(expected, 1 - board.drills)
    assert len(board.pieces) > 5
    assert board.copper == pytest.approx(expected, abs=1e-3)
    assert {piece.kind for piece in board.pieces} <= set(boards.PIECES)


def test_lands_and_tracks_have_their_areas():
    board = Board((100, 120), 4.0)
    assert board.land(np.array([30.2, 40.7]), 12.0, drill=5.0, swell=2.0)
    board.finish()
    assert board.copper.sum() == pytest.approx(np.pi * (12**2 - 5**2), rel=0.02)
    assert board.drills.sum() == pytest.approx(np.pi * 25, rel=0.02)
    assert board.opening.sum() == pytest.approx(np.pi * 14**2, rel=0.02)
    other = Board((100, 120), 4.0, angle=0.4)
    line = np.array([[20.0, 50], [90, 50], [100, 60]])
    other.track(line, 4.0)
    assert other.copper.sum() == pytest.approx(stroke(other.warp(line), 4.0, (100, 120)).cover.alpha.sum(), rel=1e-3)


def test_who_is_refused():
    board = Board((100, 120), 6.0)
    first = board.track(np.array([[10.0, 50], [110, 50]]), 4.0)
    assert first
    beside = np.array([[10.0, 62], [110, 62]])
    assert not board.track(beside, 4.0), "4 + 6 + 4 pixels are needed"
    assert not board.pad(np.array([[40.0, 58], [60, 58], [60, 70], [40, 70]]))
    assert not board.bare_hole(np.array([50.0, 60.0]), 5.0)
    assert not board.track(np.array([[300.0, 0], [300, 80]]), 4.0), "out of the frame"
    second = board.track(beside + np.array([0, 3]), 4.0)
    assert second not in (0, first)
    link = np.array([[60.0, 50], [60, 65]])
    assert not board.track(link, 3.0, first)
    assert board.track(link, 3.0, first, second)
    assert board.root(first) == board.root(second)
    assert len(board.pieces) == 3


def test_a_pour_stays_away():
    board = Board((100, 120), 4.0)
    board.track(np.array([[20.0, 50], [100, 50]]), 5.0)
    board.pour(8.0, 100)
    board.finish()
    count, nets = pieces(board.copper)
    assert count == 3
    track = nets == nets[50, 60]
    far = cv2.distanceTransform((~track).astype(np.uint8), cv2.DIST_L2, 5)
    assert far[(nets > 0) & ~track].min() == pytest.approx(8, abs=1)


@pytest.mark.parametrize("distance", [-5.0, 7.5])
def test_buses_are_parallel(distance):
    line = np.array([[0.0, 0], [50, 0], [80, 30], [80, 90]])
    aside = mitred(line, distance)
    for (a, b), (p, q) in zip(pairwise(line), pairwise(aside), strict=True):
        way = (b - a) / np.hypot(*(b - a))
        normal = np.array([-way[1], way[0]])
        assert [(p - a) @ normal, (q - a) @ normal] == pytest.approx([distance, distance])


def test_ways_run_in_eight_directions():
    random = np.random.default_rng(0)
    for _ in range(60):
        start, end = random.integers(-20, 20, (2, 2)).astype(float)
        points = np.array([start, *bent(start, end, random)])
        assert points[-1] == pytest.approx(end)
        steps = np.abs(np.diff(points, axis=0))
        straight = (steps < 1e-9).any(1) | (np.abs(steps[:, 0] - steps[:, 1]) < 1e-9)
        assert straight.all()


def test_letters():
    assert len({str(strokes) for strokes in glyphs.GLYPHS.values()}) == len(glyphs.GLYPHS)
    word = glyphs.word(np.random.default_rng(0))
    assert set(word) <= set(glyphs.GLYPHS)
    across = np.concatenate(glyphs.lines("R12", np.array([5.0, 7]), 12.0))
    assert np.concatenate([across.min(0), across.max(0)]) == pytest.approx([5, 7, 37, 19])
    upright = np.concatenate(glyphs.lines("R12", np.array([5.0, 70]), 12.0, upright=True))
    assert np.concatenate([upright.min(0), upright.max(0)]) == pytest.approx([5, 38, 17, 70])


# --- faults ---


@each_fault
def test_the_mask_is_what_changed(name):
    missing = name in ("open_circuit", "mouse_bite", "pin_hole")
    for copper, fault in made(name):
        before, after, mask = etched(copper, fault)
        assert fault.missing == missing
        changed = before - after if missing else after - before
        assert changed.min() >= 0
        assert np.array_equal(changed >= 0.5, mask)
        assert mask.any()
        if missing:
            assert (before[mask] >= 0.5).all() and (after[mask] <= 0.5).all(), "there was copper, and it is gone"
        else:
            assert (before[mask] <= 0.5).all() and (after[mask] >= 0.5).all(), "there was none, and there is copper"
            assert not copper.drills[mask].any() or copper.drills[mask].max() <= 0.5
        assert cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] == 2


def test_a_short_joins_two_nets():
    for copper, fault in made("short_circuit"):
        _, after, mask = etched(copper, fault)
        _, nets = pieces(after)
        joined = np.unique(copper.nets[(nets == nets[mask][0]) & (copper.nets > 0)])
        assert len(joined) == 2
        assert pieces(after)[0] == pieces(copper.now)[0] - 1


def test_an_open_parts_a_track():
    for copper, fault in made("open_circuit"):
        before, after, mask = etched(copper, fault)
        rows, columns = np.nonzero(mask)
        # Around the gap (a net may be a loop that still holds together elsewhere).
        breadth = 2 + int(np.ptp(rows) + np.ptp(columns))
        near = (slice(max(rows.min() - breadth, 0), rows.max() + breadth),
                slice(max(columns.min() - breadth, 0), columns.max() + breadth))  # fmt: skip
        sides = [pieces(c[near])[1] for c in (before, after)]
        touched = cv2.dilate(mask[near].astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        assert len(np.unique(sides[0][touched & (sides[0] > 0)])) == 1
        assert len(np.unique(sides[1][touched & (sides[1] > 0)])) >= 2


@pytest.mark.parametrize("name", ["spur", "mouse_bite"])
def test_an_edge_fault_changes_no_connection(name):
    for copper, fault in made(name):
        _, after, mask = etched(copper, fault)
        assert pieces(after)[0] == pieces(copper.now)[0]
        touching = np.unique(copper.nets[cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0])
        assert len(touching[touching > 0]) == 1


def test_a_pin_hole_lies_inside_copper():
    for copper, fault in made("pin_hole"):
        before, after, mask = etched(copper, fault)
        around = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        assert (before[around] == 1).all()
        assert pieces(1 - after, 8)[0] == pieces(1 - before, 8)[0] + 1


def test_spurious_copper_lies_alone():
    for copper, fault in made("spurious_copper"):
        before, after, mask = etched(copper, fault)
        around = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        assert (before[around] == 0).all()
        assert pieces(after, 8)[0] == pieces(before, 8)[0] + 1


def test_contrast_compares_with_what_should_be_there():
    board = Board((80, 120), 6.0)
    board.track(np.array([[0.0, 40], [120, 40]]), 5.0)
    copper = Copper.of(board.copper, board.drills, 1.0)
    random = np.random.default_rng(0)
    fault = next(f for f in (make("open_circuit", copper, random, RANGES["open_circuit"]) for _ in range(50)) if f)
    before, after, mask = etched(copper, fault)
    noise = np.random.default_rng(1).normal(0, 4, after.shape)
    image = np.clip(60 + 80 * after + noise, 0, 255).astype(np.uint8)
    assert contrast(image, fault, before >= 0.5, mask) == pytest.approx(80 / 4, rel=0.25)
    flat = np.clip(60 + noise, 0, 255).astype(np.uint8)
    assert contrast(flat, fault, before >= 0.5, mask) < 0.6


# --- pictures ---


def paint(index, size=SIZE, **changes):
    values = PRESET.override({key.replace("__", "."): value for key, value in changes.items()}).values
    return boards.paint(values, size, 3, index), boards.names(values)


@pytest.mark.parametrize("index", range(4))
def test_a_picture_is_a_function_of_seed_and_number(index):
    (one, _), (again, _), (other, _) = paint(index), paint(index), paint(index + 50)
    assert np.array_equal(one.image, again.image)
    assert one.instances.masks == again.instances.masks and one.meta == again.meta
    assert one.image.shape != other.image.shape or not np.array_equal(one.image, other.image)


@pytest.mark.parametrize("style", ["binary", "copper", "mask"])
@pytest.mark.parametrize("colour", [0, 1])
def test_styles(style, colour):
    picture, names = paint(1, scene__styles={style: 1}, scene__colour=colour, scene__clean=0)
    assert picture.image.dtype == np.uint8
    assert picture.image.shape == (SIZE if style == "binary" or not colour else (*SIZE, 3))
    assert picture.meta["style"] == style and not picture.meta["clean"]
    assert len(picture.instances) and set(picture.instances.labels) <= set(range(len(names)))
    assert (picture.instances.masks.area >= VALUES["scene"]["least"]).all()
    assert (picture.instances.attributes["contrast"] >= VALUES["label"]["contrast"]).all()
    assert 25 < picture.image.mean() < 252 and picture.image.std() > 5


def test_a_scan_shows_the_faults():
    """Dark is copper: in a mask of missing copper it is bright, in one of too much it is dark."""
    told = 0
    for index in range(10):
        picture, names = paint(index, scene__styles={"binary": 1}, scene__clean=0, scan__inverted=0, scan__fray=0)
        for label, k in zip(picture.instances.labels, range(len(picture.instances)), strict=True):
            values = picture.image[picture.instances.masks.dense(k)]
            bright = names[label] in ("open_circuit", "mouse_bite", "pin_hole")
            assert (values.mean() > 128) == bright
            told += 1
    assert told > 15


def test_good_boards():
    picture, _ = paint(0, scene__clean=1)
    assert picture.meta["clean"] and not len(picture.instances)
    clean = [paint(k)[0].meta["clean"] for k in range(60)]
    assert 0.2 < np.mean(clean) < 0.6
    # The sound board of a picture is the same whether it gets faults or not.
    faulty, _ = paint(2, scene__clean=0, scene__styles={"binary": 1})
    sound, _ = paint(2, scene__clean=1, scene__styles={"binary": 1})
    changed = cv2.dilate(faulty.instances.masks.union().astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    assert np.array_equal(faulty.image[~changed], sound.image[~changed])
    assert not np.array_equal(faulty.image, sound.image)


def test_pieces_are_labelled_where_it_is_asked_for():
    picture, names = paint(3, label__parts=True, scene__clean=0)
    assert names[-5:] == boards.PIECES
    found = {names[label] for label in picture.instances.labels}
    assert {"track", "pad"} & found
    shared = picture.instances.masks.intersection(picture.instances.masks)
    assert (shared - np.diag(np.diag(shared)) == 0).all(), "visible masks are disjoint"
    pad = picture.instances.labels == names.index("pad")
    assert (picture.instances.attributes["visible_ratio"][pad] > 0).all()
    good, _ = paint(3, label__parts=True, scene__clean=1)
    bare, _ = paint(3, scene__clean=1)
    assert len(good.instances) and np.array_equal(good.image, bare.image), "labels do not change a good board"


def test_weights_choose_the_classes():
    _, names = paint(0, faults__types={"pin_hole": 1, "spur": 2})
    assert names == ("spur", "pin_hole")
    picture, _ = paint(4, faults__types={"pin_hole": 1}, scene__clean=0, faults__count=[3, 3])
    assert set(picture.instances.labels) == {0}


def test_recipes_of_ones_own():
    own = {"pin_hole": {"draw": "pin_hole", "ranges": {"size": [14, 15]}}}
    values = VALUES | {"recipes": own, "faults": VALUES["faults"] | {"types": {"pin_hole": 1}}}
    values |= {"scene": VALUES["scene"] | {"clean": 0}, "label": {"parts": False, "contrast": 0}}
    areas = np.concatenate([boards.paint(values, (512, 512), 3, k).instances.masks.area for k in range(8)])
    assert areas.min() > 60 and np.median(areas) == pytest.approx(np.pi / 4 * 14.5**2, rel=0.4)
    for ranges, draw, message in (
        ({"sise": [1, 2]}, "pin_hole", "unknown sise"),
        ({}, "scratch", "no fault of a board"),
    ):
        with pytest.raises(KizuError, match=message):
            boards.paint(values | {"recipes": {"pin_hole": {"draw": draw, "ranges": ranges}}}, (256, 256), 3, 0)


@pytest.mark.parametrize("size", [(64, 64), (200, 90), (40, 300)])
def test_other_sizes(size):
    for index in range(3):
        picture, _ = paint(index, size)
        assert picture.image.shape[:2] == size


def test_layers_of_a_board():
    board = laid_out(1)
    for style, channels in (("mask", 3), ("copper", 1)):
        layers, chosen = dress(board, style, VALUES["finish"], channels, 0.5, np.random.default_rng(0))
        assert layers.albedo.shape == (*SIZE, channels)
        for field in (layers.height, layers.albedo, layers.roughness, layers.metal, layers.shadow):
            assert np.isfinite(field).all()
        assert layers.albedo.min() > 0 and layers.albedo.max() < 1.6
        seen = board.copper * (board.opening if style == "mask" else 1) * (1 - board.silk)
        assert layers.metal[seen > 0.99].min() > 0.5 and layers.metal[board.copper == 0].max() == 0
        assert set(chosen) == {"mask", "finish"}
    assert scan(board, VALUES["scan"], np.random.default_rng(0)).shape == SIZE


def test_through_the_source():
    sample = Formula(PRESET, 3, (128, 128), seed=2)[1]
    assert sample.size == (128, 128) and sample.image.shape == (128, 128, 3)
    assert sample.source == "kizu boards"


def test_pads_with_corners():
    board = Board((100, 120), 4.0, angle=0.3)
    ring = np.array([[40.0, 40], [70, 40], [70, 60], [40, 60]])
    assert board.pad(ring, swell=-1)
    assert board.copper.sum() == pytest.approx(600, rel=1e-3)
    assert board.opening.max() == 0
    assert board.pieces[0].covered((100, 120)).alpha.sum() == pytest.approx(600, rel=1e-3)
    assert fill(board.pieces[0].outline, (100, 120)).alpha.sum() == pytest.approx(600, rel=1e-3)
